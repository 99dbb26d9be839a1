"""HTTP as uvicorn speaks it, with bounds: its parser has none, and this is what anybody reaches without a token."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Bytes that may come in a row without completing a message's head or bringing any of its body. The longest that is ours is a
head with a token of 20 KiB and a path of 12 KiB."""

MAX_HEADERS = 100
"""Headers of one message, those behind its body included. Browsers send about twenty."""

HEAD_SECONDS = 10.0
"""Seconds from connecting, or from a message's first byte, until its head is complete; and for the rest of a message that is
answered already."""

MAX_CONNECTIONS = 4096
"""Connections at once. Each takes a descriptor, of which commands need some too, and some kilobytes."""


class HeadTooLarge(Exception):
    """A message has too many headers."""


class BoundedHttp(HttpToolsProtocol):
    """A connection that may be neither silent nor endless. How long it may rest between messages is uvicorn's to say."""

    _headers = 0
    _in_message = False  # Whether a message's head is complete, and its end has not come.
    _progress = 0
    _fruitless_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._expect_end_of_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, but not for ever."""
        if not self._in_message:
            self._expect_end_of_head()
        before = self._progress
        super().data_received(data)
        # Only afterwards is it known whether there was more in it than a part of a head.
        self._fruitless_bytes = self._fruitless_bytes + len(data) if self._progress == before else 0
        if self._fruitless_bytes > MAX_HEAD_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A message begins, perhaps behind another in the same segment."""
        self._headers = 0
        self._expect_end_of_head()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete."""
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._progress += 1
        self._in_message = True
        self._forget_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._progress += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The message is complete."""
        self._progress += 1
        self._in_message = False
        self._forget_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A message is answered. What is left of it, nobody reads: it may come, but not for long."""
        super().on_response_complete()
        if self._in_message and self.cycle.response_complete:
            self._expect_end_of_head()

    def _expect_end_of_head(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # It is we who do not read, until what came before is answered.
            self._expect_end_of_head()
        else:
            self.transport.abort()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
