"""Tokens: a client's word for one request, signed with its private key.

A token is a JWT signed with Ed25519, for one sandbox (`aud`), one method and target (`htm`, `htu`, the names of RFC 9449),
used once (`jti`). So a token that is seen on a plain HTTP connection opens nothing a second time and nothing else.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.keys import thumbprint
from kubebox_protocol.limits import (
    MAX_TOKEN_BYTES,
    MAX_TOKEN_LIFETIME_SECONDS,
    TOKEN_CLOCK_LEEWAY_SECONDS,
    TOKEN_LIFETIME_SECONDS,
)

ALGORITHM = "EdDSA"
"""The one algorithm that is accepted. With keys that are Ed25519 by type, it can mean nothing but Ed25519."""

ISSUER = "kubebox"
HANDSHAKE_METHOD = "GET"
HANDSHAKE_TARGET = "/socket.io/"
"""What the token of a Socket.IO connection is bound to; its query is the library's and changes with it."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says.

    Attributes:
        subject: The thumbprint of the key that signed it.
        token_id: Its own id, good once.
        expires: Unix seconds.
    """

    subject: str
    token_id: str
    expires: int


def audience(sandbox_id: str, sandbox_uid: str) -> str:
    """The `aud` of tokens for one sandbox's one body."""
    return f"{sandbox_id}/{sandbox_uid}"


def sign_token(
    key: Ed25519PrivateKey,
    *,
    audience: str,
    method: str,
    target: str,
    now: float,
    lifetime: int = TOKEN_LIFETIME_SECONDS,
) -> str:
    """Sign a token for one request.

    Args:
        key: The client's private key.
        audience: See `audience`.
        method: The request's HTTP method.
        target: Its path with its query, exactly as it is sent.
        now: The server's clock, Unix seconds.
        lifetime: Seconds until it expires.
    """
    name = thumbprint(key.public_key())
    claims = {
        "iss": ISSUER,
        "sub": name,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + lifetime,
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": target,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": name})


def verify_token(
    token: str, keys: dict[str, Ed25519PublicKey], *, audience: str, method: str, target: str, now: float
) -> Claims:
    """Check a token against everything but its reuse, which needs the verifier's memory.

    Args:
        token: As received; nothing about it is trusted.
        keys: The keys that may sign, by thumbprint.
        audience: The sandbox's own.
        method: The request's method.
        target: The request's path with its query.
        now: This machine's clock, Unix seconds.

    Raises:
        Refused: With the code that says why.
    """
    claims = _signed_claims(token, keys, audience)
    issued, expires, token_id = claims["iat"], claims["exp"], claims["jti"]
    if not (
        _is_whole(issued) and _is_whole(expires) and isinstance(token_id, str) and 0 < len(token_id) <= 64
    ):
        raise Refused(ErrorCode.TOKEN_INVALID, "the token's iat, exp or jti is malformed")
    if now >= expires:
        raise Refused(ErrorCode.TOKEN_EXPIRED, "the token has expired; sign a new one")
    if issued > now + TOKEN_CLOCK_LEEWAY_SECONDS:
        raise Refused(
            ErrorCode.TOKEN_INVALID, "the token comes from the future; date it by the clock of /v1/info"
        )
    if expires - issued > MAX_TOKEN_LIFETIME_SECONDS:
        raise Refused(
            ErrorCode.TOKEN_INVALID,
            f"the token was made to live longer than {MAX_TOKEN_LIFETIME_SECONDS} s",
            limit=MAX_TOKEN_LIFETIME_SECONDS,
        )
    if claims.get("htm") != method or claims.get("htu") != target:
        raise Refused(ErrorCode.TOKEN_INVALID, "the token was signed for another request")
    return Claims(subject=claims["sub"], token_id=token_id, expires=expires)


def _signed_claims(token: str, keys: dict[str, Ed25519PublicKey], audience: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(ErrorCode.TOKEN_INVALID, f"the token is longer than {MAX_TOKEN_BYTES} bytes")
    invalid = Refused(ErrorCode.TOKEN_INVALID, "the token is malformed or not signed by a registered key")
    if not token.isascii():  # The library would fail in its own words, or without any.
        raise invalid
    try:
        name = jwt.get_unverified_header(token).get("kid")
        key = keys.get(name) if isinstance(name, str) else None
        if key is None:
            raise invalid
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=ISSUER,
            options={
                "require": ["iss", "sub", "aud", "iat", "exp", "jti"],
                "verify_exp": False,
                "verify_iat": False,
                "strict_aud": True,
            },
        )
    except jwt.InvalidAudienceError:
        raise Refused(ErrorCode.TOKEN_AUDIENCE, "the token is for another sandbox") from None
    except jwt.PyJWTError:
        raise invalid from None
    if claims["sub"] != name:
        raise invalid
    return claims


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
