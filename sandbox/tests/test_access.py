"""Who may call: tokens (H07), Origin (H11), Host (H12), and that nothing but a literal list is open."""

import base64
import json
import time
from typing import Any

import pytest
from fastapi.routing import APIRoute
from httpx2 import Response

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.keys import new_private_key, read_private_key, thumbprint
from kubebox_protocol.tokens import Claims, audience, sign_token
from kubebox_sandbox.access import PUBLIC, Access, ReplayGuard
from kubebox_sandbox.doors.rest import rest_app

from .conftest import Client, Sandbox

SESSIONS = "/v1/sessions"


def encode(part: dict[str, Any] | bytes) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(sandbox: Sandbox, header: dict[str, Any], signature: bytes = b"") -> str:
    name = thumbprint(sandbox.key.public_key())
    now = int(time.time())
    claims = {
        "iss": "kubebox", "sub": name, "aud": "test/body-1", "iat": now, "exp": now + 60, "jti": "j",
        "htm": "GET", "htu": SESSIONS,
    }  # fmt: skip
    return f"{encode({'typ': 'JWT', 'kid': name, **header})}.{encode(claims)}.{encode(signature)}"


async def ask(sandbox: Sandbox, token: str | None, **headers: str) -> Response:
    if token is not None:
        headers["authorization"] = token
    return await sandbox.http.get(SESSIONS, headers=headers)


def test_every_route_is_closed_but_for_a_literal_list() -> None:
    paths = {route.path for route in rest_app().routes if isinstance(route, APIRoute)}
    others = [route for route in rest_app().routes if not isinstance(route, APIRoute)]
    assert {"/healthz", "/readyz", "/v1/info"} == PUBLIC
    assert paths >= PUBLIC
    assert not others
    assert all(path.startswith(("/v1/sessions", "/v1/ports/")) for path in paths - PUBLIC)


async def test_closed_routes_are_closed(sandbox: Sandbox) -> None:
    for route in rest_app().routes:
        assert isinstance(route, APIRoute)
        for method in route.methods or ():
            path = route.path.format(session_id="main", execution_id="0" * 32, upload_id="0" * 32, port=1)
            answer = await sandbox.http.request(method, path)
            if path in PUBLIC:
                assert answer.status_code == 200
            else:
                assert (answer.status_code, answer.json()["code"]) == (401, "token-missing")
    for path in ["/", "/docs", "/openapi.json", "/socket.io/", "/v1/info/", "/healthz/x", "//healthz"]:
        assert (await sandbox.http.get(path)).status_code == 401


async def test_a_valid_token_is_good_once(sandbox: Sandbox) -> None:
    token = f"Bearer {sandbox.token('GET', SESSIONS)}"
    assert (await ask(sandbox, token)).status_code == 200
    again = await ask(sandbox, token)
    assert (again.status_code, again.json()["code"]) == (401, "token-replayed")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"now": time.time() - 3600}, 401, "token-expired"),
        ({"now": time.time() + 3600}, 401, "token-invalid"),
        ({"lifetime": 0}, 401, "token-expired"),
        ({"lifetime": 3600}, 401, "token-invalid"),
        ({"audience": audience("test", "body-2")}, 403, "token-audience"),
        ({"audience": audience("other", "body-1")}, 403, "token-audience"),
        ({"key": read_private_key(new_private_key())}, 401, "token-invalid"),
    ],
)
async def test_wrong_tokens(sandbox: Sandbox, changes: dict[str, Any], status: int, code: str) -> None:
    answer = await ask(sandbox, f"Bearer {sandbox.token('GET', SESSIONS, **changes)}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_tokens_for_another_request(sandbox: Sandbox) -> None:
    for method, target in [
        ("POST", SESSIONS),
        ("GET", SESSIONS + "?a=b"),
        ("GET", "/v1/sessions/"),
        ("GET", "/"),
    ]:
        assert (await ask(sandbox, f"Bearer {sandbox.token(method, target)}")).json()[
            "code"
        ] == "token-invalid"


async def test_the_target_is_what_was_sent(sandbox: Sandbox) -> None:
    target = "/v1/sessions/main/files/exists?path=%2e%2e%2fx&a=%41+b"
    signed = {"authorization": f"Bearer {sandbox.token('GET', target)}"}
    import httpx2

    request = sandbox.http.build_request("GET", "/", headers=signed)
    request.url = httpx2.URL(sandbox.url).copy_with(raw_path=target.encode())
    assert (await sandbox.http.send(request)).json()["code"] == "path-outside"


async def test_forged_tokens(sandbox: Sandbox) -> None:
    whole = sandbox.token("GET", SESSIONS)
    head, claims, signature = whole.split(".")
    tokens = [
        forged(sandbox, {"alg": "none"}),
        forged(sandbox, {"alg": "None"}),
        forged(sandbox, {"alg": "HS256"}, b"x" * 32),
        forged(sandbox, {"alg": "EdDSA", "jwk": {"kty": "OKP"}}, b"x" * 64),
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{whole}.{signature}",
        whole[:-4],
        f"{head}.{encode(b'{}')}.{signature}",
        "x" * 4000,
        "x" * 21_000,
        "...",
        "١٢٣",
    ]
    for token in tokens:
        header = f"Bearer {token}".encode()
        answer = await sandbox.http.get(SESSIONS, headers=[(b"authorization", header)])
        assert answer.status_code == 401, token
        assert answer.json()["code"] == "token-invalid", token
    for header in ["Basic eDp5", whole, "bearer"]:
        assert (await ask(sandbox, header)).status_code == 401
    twice = [(b"authorization", f"Bearer {whole}".encode())] * 2
    assert (await sandbox.http.get(SESSIONS, headers=twice)).status_code == 400


async def test_a_token_is_no_use_in_the_query(sandbox: Sandbox) -> None:
    assert (await sandbox.http.get(f"{SESSIONS}?token={sandbox.token('GET', SESSIONS)}")).status_code == 401


async def test_foreign_origins(sandbox: Sandbox) -> None:
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", sandbox.url, ""]:
        answer = await sandbox.http.get("/healthz", headers={"origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin-refused")


async def test_foreign_origins_at_the_handshake(sandbox: Sandbox) -> None:
    for origin in ["https://evil.example", "null"]:
        headers = {"origin": origin, "authorization": f"Bearer {sandbox.token('GET', '/socket.io/')}"}
        answer = await handshake(sandbox, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin-refused")


async def test_a_bad_token_at_the_handshake(sandbox: Sandbox) -> None:
    answer = await handshake(sandbox, {"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")


async def handshake(sandbox: Sandbox, headers: dict[str, str]) -> Response:
    upgrade = {
        "connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    return await sandbox.http.get("/socket.io/?EIO=4&transport=websocket", headers={**upgrade, **headers})


@pytest.mark.parametrize("host", ["a@b", "a b", "a/b", "[::1", "a:b", "a:123456", "", "x" * 300])
async def test_malformed_hosts(sandbox: Sandbox, host: str) -> None:
    answer = await sandbox.http.get("/healthz", headers={"host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


async def test_hosts_that_are_not_ours_need_a_token(tmp_path: Any) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides = {
        "allowed_hosts": ["LocalHost", "127.0.0.1", "[::1]"],
        "allowed_origins": ["https://ours.example"],
    }
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:5", "[::1]:80"]:
            assert (await sandbox.http.get("/healthz", headers={"host": host})).status_code == 200
        for host in ["evil.example", "localhost.", "127.0.0.1.evil.example", "[::2]"]:
            headers = {"host": host, "x-forwarded-host": "localhost"}
            answer = await sandbox.http.get("/healthz", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (421, "host-refused")
            signed = {"host": host, "authorization": f"Bearer {sandbox.token('GET', SESSIONS)}"}
            assert (await sandbox.http.get(SESSIONS, headers=signed)).status_code == 200
        allowed = await sandbox.http.get("/healthz", headers={"origin": "https://ours.example"})
        assert allowed.status_code == 200
        assert (await handshake(sandbox, {"host": "evil.example"})).status_code == 421


async def test_a_realtime_token_may_come_with_the_connection(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    await client.connect(auth={"token": sandbox.token("GET", "/socket.io/")})
    assert (await client.call("session.list", {}))["ok"]["sessions"]
    await client.sio.disconnect()


def test_a_token_from_before_the_server_began_is_refused() -> None:
    key, now = read_private_key(new_private_key()), 1_000_000.5
    keys = {thumbprint(key.public_key()): key.public_key()}
    access = Access(keys, "test", clock=lambda: now)

    def token(issued: float) -> str:
        return sign_token(key, audience="test", method="GET", target="/", now=issued)

    assert access.admit(token(1_000_000), "GET", "/").subject in keys
    with pytest.raises(Refused) as caught:
        access.admit(token(999_999.9), "GET", "/")
    assert caught.value.code is ErrorCode.TOKEN_EXPIRED


def test_the_replay_guard_forgets_what_has_expired_and_nothing_else() -> None:
    guard = ReplayGuard(limit=2)
    guard.use(Claims("key", "a", 100), now=50)
    guard.use(Claims("key", "b", 200), now=50)
    with pytest.raises(Refused):
        guard.use(Claims("key", "c", 200), now=60)
    guard.use(Claims("key", "c", 200), now=101)
    with pytest.raises(Refused) as caught:
        guard.use(Claims("key", "b", 200), now=101)
    assert caught.value.code is ErrorCode.TOKEN_REPLAYED
