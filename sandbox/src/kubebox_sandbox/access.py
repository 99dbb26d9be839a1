"""Who may call: tokens, Host and Origin, for HTTP and WebSocket alike, outside of everything else."""

import base64
import json
import re
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.types import ASGIApp, Receive, Scope, Send

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET, Claims, audience, verify_token
from kubebox_sandbox.answers import refuse
from kubebox_sandbox.settings import Settings

PUBLIC = frozenset({"/healthz", "/readyz", "/v1/info"})
"""Every route that needs no token. A test holds the application's routes against this list."""

CLAIMS = "kubebox.claims"
"""Where the scope of a request keeps the verified claims."""

MAX_REMEMBERED_TOKENS = 200_000
"""Tokens remembered until they expire: 3,000 a second for a minute, in about 40 MB. Only a registered key
can fill it."""

HOST = re.compile(
    rb"(?P<name>\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?"
)


class ReplayGuard:
    """Remembers each token that was used until it has expired."""

    def __init__(self, limit: int = MAX_REMEMBERED_TOKENS) -> None:
        self._limit = limit
        self._used: dict[tuple[str, str], int] = {}
        self._sweep_at = 0.0

    def use(self, claims: Claims, now: float) -> None:
        """Use a token up.

        Raises:
            Refused: It was used before.
        """
        if now >= self._sweep_at or len(self._used) >= self._limit:
            self._used = {name: expires for name, expires in self._used.items() if expires > now}
            self._sweep_at = now + 10
        name = (claims.subject, claims.token_id)
        if name in self._used:
            raise Refused(
                ErrorCode.TOKEN_REPLAYED, "the token was used before; sign a new one for each request"
            )
        if len(self._used) >= self._limit:
            # To forget one that has not expired would let it in again.
            raise Refused(ErrorCode.TOKEN_REPLAYED, "too many tokens are in use; wait until some expire")
        self._used[name] = claims.expires


def steady_clock() -> Callable[[], float]:
    """Unix time as it is now, and as it goes on from here: who sets the machine's clock shuts nobody out.

    Clients date their tokens by it. It counts the time in which the machine is asleep, as theirs does.
    """
    off = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: off + time.clock_gettime(time.CLOCK_BOOTTIME)


class Access:
    """Verifies tokens for one sandbox.

    Args:
        keys: Those that may sign, by thumbprint.
        audience: Whom tokens must be for.
        clock: The time by which they are dated.

    Attributes:
        clock: As given.
    """

    def __init__(
        self, keys: dict[str, Ed25519PublicKey], audience: str, clock: Callable[[], float] | None = None
    ) -> None:
        self.clock = clock or steady_clock()
        self._keys = keys
        self._audience = audience
        self._guard = ReplayGuard()
        self._began = int(self.clock())

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        """The access that the settings describe."""
        return cls(settings.keys(), audience(settings.sandbox_id, settings.sandbox_uid))

    def admit(self, token: str, method: str, target: str) -> Claims:
        """Verify a token and use it up.

        Raises:
            Refused: With the code that says why.
        """
        now = self.clock()
        claims = verify_token(
            token, self._keys, audience=self._audience, method=method, target=target, now=now
        )
        if _issued(token) < self._began:
            # What was used up before this server began is not remembered.
            raise Refused(ErrorCode.TOKEN_EXPIRED, "the token is older than the server; sign a new one")
        self._guard.use(claims, now)
        return claims

    def admit_handshake(self, token: object) -> Claims:
        """Verify the token of a Socket.IO connection, wherever it came from."""
        if not isinstance(token, str):
            raise missing()
        return self.admit(token, HANDSHAKE_METHOD, HANDSHAKE_TARGET)

    def seconds_left(self, claims: Claims) -> float:
        """Seconds until a token expires, for the monotonic clock."""
        return max(0.0, claims.expires - self.clock())


def check_renewal(claims: Claims, before: Claims) -> None:
    """Check that a connection's next token is of whoever opened it.

    Raises:
        Refused: It is not.
    """
    if claims.subject != before.subject:
        raise Refused(
            ErrorCode.TOKEN_INVALID, "the new token was signed by another key than the connection's"
        )


def _issued(token: str) -> int:
    # Of a token that has been verified, so that it has this claim and it is a number.
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iat"]


def missing() -> Refused:
    """The refusal of a request without a token."""
    return Refused(
        ErrorCode.TOKEN_MISSING, "the request carries no token; send `Authorization: Bearer TOKEN`"
    )


class AccessMiddleware:
    """Lets through what has a right to be here.

    Pure ASGI: it sees WebSocket handshakes too, which CORS middleware does not.
    """

    def __init__(
        self, app: ASGIApp, access: Access, allowed_hosts: list[str], allowed_origins: list[str]
    ) -> None:
        self._app = app
        self._access = access
        self._hosts = frozenset(allowed_hosts)
        self._origins = frozenset(origin.encode() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._admit(scope)
        except Refused as refused:
            await refuse(refused, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        self._check_origin(scope)
        host = _host(scope)
        claims = self._verify(scope)
        scope[CLAIMS] = claims
        if claims is None and self._hosts and host not in self._hosts:
            raise Refused(ErrorCode.HOST_REFUSED, "this sandbox does not answer to that Host without a token")

    def _check_origin(self, scope: Scope) -> None:
        origins = _headers(scope, b"origin")
        if origins and (len(origins) > 1 or origins[0] not in self._origins):
            raise Refused(ErrorCode.ORIGIN_REFUSED, "pages of that Origin may not use this sandbox")

    def _verify(self, scope: Scope) -> Claims | None:
        found = _headers(scope, b"authorization")
        if len(found) > 1:
            raise Refused(ErrorCode.INVALID_REQUEST, "the request has more than one Authorization header")
        websocket = scope["type"] == "websocket"
        handshake = websocket and scope["path"] == HANDSHAKE_TARGET
        if not found:
            if handshake or (not websocket and scope["path"] in PUBLIC):
                return None  # A handshake's token may come in its first message; realtime waits for it.
            raise missing()
        scheme, _, token = found[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise missing()
        if handshake:
            return self._access.admit_handshake(token.strip())
        return self._access.admit(token.strip(), scope.get("method", "GET"), _target(scope))


def _target(scope: Scope) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _host(scope: Scope) -> str:
    hosts = _headers(scope, b"host")
    match = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        raise Refused(
            ErrorCode.INVALID_REQUEST, "the request needs exactly one Host header, a name and perhaps a port"
        )
    return match["name"].decode("ascii").lower()


def _headers(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]
