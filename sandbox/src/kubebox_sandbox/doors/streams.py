"""Answers whose bytes come piece by piece, at the pace of whoever reads them."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kubebox_protocol.errors import Refused

logger = logging.getLogger(__name__)


class StreamedBytes(Response):
    """A streamed body.

    Where its source fails midway, the answer is left without its end and the server closes the connection,
    so that the client sees that it is not whole.

    Args:
        pieces: The body.
        headers: With `content-length`, if it is known.
        on_close: Called when the answer is over, however.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        headers: dict[str, str],
        on_close: Callable[[], Any],
        status: int = 200,
    ) -> None:
        super().__init__(status_code=status)
        self._pieces = pieces
        self._on_close = on_close
        self.raw_headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        self.raw_headers.append((b"x-content-type-options", b"nosniff"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until its end or until nobody reads any more."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._until_disconnect, receive, group.cancel_scope)
                await self._send(send)
                group.cancel_scope.cancel()
        finally:
            self._on_close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except (Refused, OSError) as error:
            logger.warning("an answer was cut short: %s", error)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_disconnect(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()
