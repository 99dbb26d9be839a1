"""One TCP connection over one WebSocket, spoken alike by both ends: bytes, credit for them, and the end of each direction.

Credit, though TCP itself could hold a fast sender back: a WebSocket that is not read does not answer pings either, so whoever
stalls for a while would be taken for gone.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from kubebox_protocol.limits import PORT_PIECE_BYTES, PORT_WINDOW_BYTES
from kubebox_protocol.ports import Remark, read_remark, write_remark

GRANT_BYTES: Final = PORT_WINDOW_BYTES // 4
"""Bytes that were passed on, after which as many more are asked for: often enough that the sender does not stop in between."""

LOOK_SECONDS: Final = 5.0
"""Seconds between two looks whether a TCP connection is still there, while nothing is read from it: nothing tells that then."""

LINGER_SECONDS: Final = 600.0
"""Seconds that the last bytes may take where the WebSocket has ended: a reader may pause, but not keep its place for ever."""

BROKEN_OFF_SECONDS: Final = 5.0
"""Seconds that they may take where it broke off: what came before a reset can be read behind TCP alone, too, but not for long."""


class Stream(Protocol):
    """The TCP connection."""

    async def receive(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end. `OSError` where it broke off."""
        ...

    async def send(self, data: bytes) -> None:
        """Write, as soon as there is room. `OSError` where nobody takes it any more."""
        ...

    def end(self) -> None:
        """Write nothing more. Reading goes on."""
        ...

    def check(self) -> None:
        """`OSError` where it is known to have broken off."""
        ...


class Messages(Protocol):
    """The WebSocket."""

    async def send(self, message: bytes | str) -> None:
        """Send a message. `OSError` where the connection has ended."""
        ...

    async def next(self) -> bytes | str | None:
        """The next message; `None` when there are no more."""
        ...


class Broken(Exception):
    """The connection cannot go on."""


class Relay:
    """Carries bytes both ways.

    Args:
        stream: The TCP connection. It is not closed here.
        messages: The WebSocket, which is not either.
        on_token: Given the client's next token; raises `Broken` where that is no good. Clients get none.
    """

    def __init__(
        self, stream: Stream, messages: Messages, on_token: Callable[[str], None] | None = None
    ) -> None:
        self._stream = stream
        self._messages = messages
        self._on_token = on_token
        self._credit = 0  # What we may send.
        self._granted = 0  # What may be sent to us.
        self._passed_on = 0
        self._held = bytearray()
        self._said_end = self._told_end = False
        self._whole = True
        self._changed = asyncio.Event()
        self._news = asyncio.Event()

    async def run(self) -> bool:
        """Carry until both directions have ended, or one can't go on.

        Returns:
            Whether all that came over the WebSocket was written, to its end. Otherwise the TCP connection is to be reset.
        """
        try:
            async with asyncio.TaskGroup() as group:
                outward = group.create_task(self._outward())
                inward = group.create_task(self._inward())
                taking = group.create_task(self._take_all(outward))
                await asyncio.wait({outward, inward})
                taking.cancel()
        except* (Broken, OSError):
            self._whole = False
        return self._whole

    async def _outward(self) -> None:
        while True:
            while self._credit == 0:
                await self._more_credit()
            data = await self._stream.receive(min(self._credit, PORT_PIECE_BYTES))
            if not data:
                break
            self._credit -= len(data)
            await self._messages.send(data)
        self._said_end = True
        await self._say(Remark(end=True))

    async def _more_credit(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            self._stream.check()

    async def _inward(self) -> None:
        await self._grant(PORT_WINDOW_BYTES)
        while self._held or not self._told_end:
            if not self._held:
                self._news.clear()
                await self._news.wait()
                continue
            piece = bytes(self._held[:PORT_PIECE_BYTES])
            del self._held[: len(piece)]
            try:
                await self._stream.send(piece)
            except OSError:
                # Whoever takes nothing more may have said why, as a server that refuses a long upload does. That still goes out.
                self._whole = False
                return
            self._passed_on += len(piece)
            if self._passed_on >= GRANT_BYTES and not self._told_end:
                await self._grant(self._passed_on)
                self._passed_on = 0
        if self._whole:
            self._stream.end()

    async def _take_all(self, outward: "asyncio.Task[None]") -> None:
        while (message := await self._messages.next()) is not None:
            if isinstance(message, bytes):
                self._take(message)
            else:
                self._hear(message)
        if not self._said_end:
            outward.cancel()  # Nobody hears it. What has come is written on all the same.
        if not self._told_end:
            self._whole, self._told_end = False, True
            self._news.set()
        # Whoever takes the last of it ends this.
        await asyncio.sleep(LINGER_SECONDS if self._whole else BROKEN_OFF_SECONDS)
        raise Broken("the last bytes were not taken in time")

    def _take(self, data: bytes) -> None:
        self._granted -= len(data)
        if self._granted < 0 or self._told_end:
            raise Broken("more bytes than were asked for")
        if self._whole:
            self._held += data
            self._news.set()

    def _hear(self, text: str) -> None:
        remark = read_remark(text)
        if remark is None:
            raise Broken("a message that is none of ours")
        if remark.credit:
            self._credit += remark.credit
            self._changed.set()
        if remark.token is not None and self._on_token is not None:
            self._on_token(remark.token)
        if remark.end:
            self._told_end = True
            self._news.set()

    async def _grant(self, count: int) -> None:
        self._granted += count
        await self._say(Remark(credit=count))

    async def _say(self, remark: Remark) -> None:
        await self._messages.send(write_remark(remark))
