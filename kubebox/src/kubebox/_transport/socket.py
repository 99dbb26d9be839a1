"""python-socketio's client and the aiohttp session beneath it: made, and freed in time.

python-socketio has no types; what it sends and takes is wrapped in `realtime.py`.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final

import aiohttp
import socketio

from kubebox._transport.http import uses_proxies
from kubebox.errors import AnswerInvalid

HEARTBEAT_SECONDS: Final = 20.0
"""Seconds between WebSocket pings. Socket.IO's own do not end a connection whose sends are stuck."""

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one message from the server: a list of many executions is the longest."""

CLOSE_SECONDS: Final = 5.0
"""Seconds for a polite goodbye."""

# The library logs each packet with its content at INFO: output and tokens must not end up in a program's log.
_log = logging.getLogger("kubebox.transport.socketio")
_log.setLevel(logging.WARNING)


class Socket:
    """One client of the library.

    Args:
        url: The server's address.

    Attributes:
        client: The library's, untyped.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(self._refuse_redirect)
        self._session = aiohttp.ClientSession(trust_env=uses_proxies(url), trace_configs=[tracing])
        new_client: Any = socketio.AsyncClient  # untyped: its parameters are guessed from their defaults
        self.client: Any = new_client(
            reconnection=False,  # a new connection needs a new token and a look at who answers
            handle_sigint=False,  # a library has no say in what Ctrl-C does
            logger=_log,
            engineio_logger=_log,
            http_session=self._session,
            websocket_extra_options={"heartbeat": HEARTBEAT_SECONDS, "max_msg_size": MAX_MESSAGE_BYTES},
        )

    async def close(self) -> None:
        """Free what the connection holds, politely where that does not take long."""
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

    async def _refuse_redirect(self, *_: object) -> None:
        # The token would go to whoever is there, who has proven nothing.
        raise AnswerInvalid(
            f"{self._url}: the server redirects the connection for events; give the URL that it leads to"
        )
