"""Tokens: only a fresh one, for this request of this sandbox, signed by a registered key, is taken."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.keys import thumbprint
from kubebox_protocol.limits import MAX_TOKEN_LIFETIME_SECONDS
from kubebox_protocol.tokens import ISSUER, audience, sign_token, verify_token

KEY = Ed25519PrivateKey.generate()
NAME = thumbprint(KEY.public_key())
KEYS = {NAME: KEY.public_key()}
AUDIENCE = audience("box", "uid-1")
NOW = 1_800_000_000.0


def sign(**changes: Any) -> str:
    options: dict[str, Any] = {
        "audience": AUDIENCE,
        "method": "GET",
        "target": "/v1/sessions",
        "now": NOW,
    } | changes
    key = options.pop("key", KEY)
    return sign_token(key, **options)


def verify(token: str, now: float = NOW) -> None:
    verify_token(token, KEYS, audience=AUDIENCE, method="GET", target="/v1/sessions", now=now)


def code_of(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def claims(**changes: Any) -> dict[str, Any]:
    issued = int(NOW)
    base: dict[str, Any] = {
        "iss": ISSUER, "sub": NAME, "aud": AUDIENCE, "iat": issued, "exp": issued + 60, "jti": "x" * 22,
        "htm": "GET", "htu": "/v1/sessions",
    }  # fmt: skip
    base.update(changes)
    return {name: value for name, value in base.items() if value is not None}


def encode(algorithm: str = "EdDSA", key: Any = KEY, kid: Any = NAME, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


def test_a_fresh_token_is_taken() -> None:
    verify(sign())


def test_a_token_expires_at_the_exact_second() -> None:
    token = sign(lifetime=60)
    verify(token, NOW + 59.999)
    assert code_of(lambda: verify(token, NOW + 60)) == ErrorCode.TOKEN_EXPIRED


def test_a_token_for_another_sandbox_or_another_body_of_it_is_refused() -> None:
    for other in (audience("other", "uid-1"), audience("box", "uid-2"), "box"):
        token = sign(audience=other)
        assert code_of(lambda token=token: verify(token)) == ErrorCode.TOKEN_AUDIENCE


def test_a_list_of_audiences_is_refused() -> None:
    token = encode(aud=[AUDIENCE])
    assert code_of(lambda: verify(token)) in {ErrorCode.TOKEN_AUDIENCE, ErrorCode.TOKEN_INVALID}


def test_a_token_for_another_request_is_refused() -> None:
    for change in ({"method": "DELETE"}, {"target": "/v1/sessions?x=1"}, {"target": "/v1/sessions/"}):
        token = sign(**change)
        assert code_of(lambda token=token: verify(token)) == ErrorCode.TOKEN_INVALID


def test_another_key_is_refused_under_any_name() -> None:
    stranger = Ed25519PrivateKey.generate()
    for kid in (NAME, thumbprint(stranger.public_key()), None, ["x"]):
        try:
            token = encode(key=stranger, kid=kid)
        except jwt.PyJWTError:
            continue  # the library refuses to make it
        assert code_of(lambda token=token: verify(token)) == ErrorCode.TOKEN_INVALID


def test_other_algorithms_are_refused() -> None:
    public = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    none = ".".join(part(value) for value in ({"alg": "none", "kid": NAME}, claims())) + "."
    for token in (none, encode("HS256", key=public * 2), encode("HS512", key=public * 2)):
        assert code_of(lambda token=token: verify(token)) == ErrorCode.TOKEN_INVALID


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "iat", "exp", "jti", "htm", "htu"])
def test_every_claim_is_required(name: str) -> None:
    changes: dict[str, Any] = {name: None}
    token = encode(**changes)
    assert code_of(lambda: verify(token)) in {ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_AUDIENCE}


@pytest.mark.parametrize(
    "change",
    [
        {"iat": "1800000000"}, {"exp": 1.8e9}, {"exp": True}, {"jti": 7}, {"jti": ""}, {"jti": "x" * 65},
        {"iat": int(NOW) + 60, "exp": int(NOW) + 90}, {"exp": int(NOW) + MAX_TOKEN_LIFETIME_SECONDS + 1},
        {"sub": "somebody"}, {"iss": "somebody"},
    ],
)  # fmt: skip
def test_malformed_claims_are_refused(change: dict[str, Any]) -> None:
    try:
        token = encode(**change)
    except (TypeError, jwt.PyJWTError):
        return  # the library refuses to make it
    assert code_of(lambda: verify(token)) == ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "a.b.c.d.e", "\u0661.\u0662.\u0663", "x" * 1_000_000]
)
def test_garbage_is_refused_quickly(token: str) -> None:
    started = time.thread_time()  # not what the machine does for others meanwhile
    assert code_of(lambda: verify(token)) == ErrorCode.TOKEN_INVALID
    assert time.thread_time() - started < 0.1


def test_a_changed_byte_anywhere_is_refused() -> None:
    token = sign()
    for position in range(0, len(token), 7):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        assert code_of(lambda changed=changed: verify(changed)) in {
            ErrorCode.TOKEN_INVALID,
            ErrorCode.TOKEN_AUDIENCE,
        }


@given(st.text(st.characters(), max_size=200))  # Halves of characters too, which JSON can write.
def test_no_text_is_a_token(text: str) -> None:
    assert code_of(lambda: verify(text)) == ErrorCode.TOKEN_INVALID
