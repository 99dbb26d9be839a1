"""Whoever has not the token is told nothing."""

import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

App = Callable[[Any, Any, Any], Awaitable[None]]
"""An application as servers of ASGI call it."""

SCHEME: Final = b"bearer "
UNAUTHORIZED: Final = 401
BODY: Final = b"this server needs a token: Authorization: Bearer TOKEN"


class Guard:
    """An application behind a token.

    Args:
        app: The application.
        token: What each request must bring; `None` lets all in.
    """

    def __init__(self, app: App, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or refuse it."""
        if (
            scope["type"] == "lifespan"
            or self._token is None
            or self._has_token(scope["headers"], self._token)
        ):
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": UNAUTHORIZED, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

    @staticmethod
    def _has_token(headers: Iterable[tuple[bytes, bytes]], token: bytes) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) != 1 or given[0][: len(SCHEME)].lower() != SCHEME:
            return False
        return hmac.compare_digest(given[0][len(SCHEME) :].strip(), token)
