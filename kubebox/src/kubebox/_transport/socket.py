"""python-socketio's client and the aiohttp session beneath it: made, and freed in time.

python-socketio has no types; what it sends and takes is wrapped in `realtime.py`.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import socketio

from kubebox._transport.base import CONNECT_SECONDS
from kubebox._transport.http import uses_proxies
from kubebox.errors import AccessDenied, AnswerInvalid, AnswerTimeout, KubeboxError, SandboxUnreachable

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one message from the server: a list of many executions is the longest."""

CLOSE_SECONDS: Final = 5.0
"""Seconds for a polite goodbye."""

# The library logs each packet with its content at INFO: output and tokens must not end up in a program's log. At WARNING it tells
# of each lost connection, which is everyday life here.
_log = logging.getLogger("kubebox.transport.socketio")
_log.setLevel(logging.ERROR)


class Socket:
    """One client of the library.

    Args:
        url: The server's address.
        heartbeat: Seconds of silence after which the server is asked whether it is there.
        ended: Called when the connection has ended, even while it was still being made: the library waits on then.

    Attributes:
        client: The library's, untyped.
    """

    def __init__(self, url: str, heartbeat: float, ended: Callable[[], None]) -> None:
        self._url = url
        self._ended = ended
        self._sockets: list[socket.socket] = []
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(self._refuse_redirect)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._new_socket),
            trust_env=uses_proxies(url),
            trace_configs=[tracing],
        )
        new_client: Any = socketio.AsyncClient  # untyped: its parameters are guessed from their defaults
        self.client: Any = new_client(
            reconnection=False,  # a new connection needs a new token and a look at who answers
            handle_sigint=False,  # a library has no say in what Ctrl-C does
            logger=_log,
            engineio_logger=_log,
            http_session=self._session,
            websocket_extra_options={"heartbeat": heartbeat, "max_msg_size": MAX_MESSAGE_BYTES},
        )
        self._take, self._conclude = (self.client.eio.handlers[name] for name in ("message", "disconnect"))
        self.client.eio.on("message", self._take_in_time)
        self.client.eio.on("disconnect", self._conclude_and_tell)

    @property
    def given_up(self) -> bool:
        """Whether a ping was not answered, but the library does not know it: it waits to send what is not taken."""
        websocket: aiohttp.ClientWebSocketResponse | None = self.client.eio.ws
        return websocket is not None and websocket.closed

    async def close(self, *, polite: bool) -> None:
        """Free what the connection holds.

        Args:
            polite: Whether to say goodbye, where that does not take long. Else the connection is cut, and with it whatever the
                library waits for in it.
        """
        if not polite:
            self._cut()
        # A task of its own: the library waits for its reader, which a loop that ends has cancelled.
        goodbye = asyncio.create_task(self._say_goodbye(), name="kubebox: say goodbye")
        try:
            await asyncio.wait({goodbye}, timeout=CLOSE_SECONDS)
        finally:
            goodbye.cancel()
            await self._session.close()

    async def _say_goodbye(self) -> None:
        # Whatever an untyped library raises: the session's end ends the socket anyway.
        with contextlib.suppress(Exception):
            await self.client.disconnect()

    async def _take_in_time(self, data: str | bytes) -> None:
        # Each message has a task of its own. One that is late, behind the end, would be taken for the beginning of
        # another one, and fail.
        if self.client.eio.state == "connected":
            await self._take(data)

    async def _conclude_and_tell(self, reason: Any = None) -> None:
        await self._conclude(reason)
        self._ended()

    def _cut(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):  # It is closed already.
                each.shutdown(socket.SHUT_RDWR)

    def _new_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.append(made)
        return made

    async def _refuse_redirect(self, *_: object) -> None:
        # The token would go to whoever is there, who has proven nothing.
        raise AnswerInvalid(
            f"{self._url}: the server redirects the connection for events; give the URL that it leads to"
        )


def connect_error(url: str, error: Exception) -> KubeboxError:
    """Our error for whatever the library raised instead of connecting."""
    cause: BaseException | None = error
    while cause is not None:
        status = getattr(cause, "status", None)
        if status in {401, 403, 421}:
            return AccessDenied(f"{url}: the server refused the connection (status {status})", status=status)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError):
        return AnswerTimeout(f"{url}: no answer to the connection within {CONNECT_SECONDS:g} s")
    return SandboxUnreachable(f"{url}: cannot open the connection for events ({error})")
