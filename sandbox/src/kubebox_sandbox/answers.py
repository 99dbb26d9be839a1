"""Errors as answers, for code that stands outside of FastAPI: pure ASGI, HTTP and WebSocket alike."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kubebox_protocol.errors import ErrorCode, Refused

logger = logging.getLogger(__name__)


async def refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with an error; a WebSocket handshake with an HTTP response in its place."""
    body = refused.body().model_dump_json().encode()
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": refused.code.value})
            return
        kind = "websocket.http.response"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": f"{kind}.start", "status": refused.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def internal_error() -> Refused:
    """What a client is told of a bug of the server: that there was one."""
    return Refused(ErrorCode.INTERNAL_ERROR, "the server failed at this request; its log says why")


class FailureBoundary:
    """The outermost boundary.

    What nothing else caught is logged here, and the client gets `internal-error`, no traceback.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it if nobody else does."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = False

        async def observed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception:  # The boundary of the program.
            logger.exception("a request failed")
            if started:
                raise
            await refuse(internal_error(), scope, receive, send)
