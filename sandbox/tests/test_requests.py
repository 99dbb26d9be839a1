"""Requests that nobody should send (H38): each gets a typed answer, in bounded time."""

import json
from typing import Any

import pytest

from .conftest import Client, Sandbox

EXECUTIONS = "/v1/sessions/main/executions"
ID = "7c2bdc0e-5d0f-4f7e-8a0e-0b8a8b1d0c11"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b"\xff\xfe",
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b'{"execution_id": NaN}',
        b'{"timeout": Infinity}',
        b'{"timeout": 1e999}',
        b'{"timeout": ' + b"9" * 5000 + b"}",
        json.dumps({str(number): 0 for number in range(100_000)}).encode(),
        f'{{"execution_id": "{ID}", "command": "true", "command": "false"}}'.encode(),
        f'{{"execution_id": "{ID}", "command": "\\ud800"}}'.encode(),
        f'{{"execution_id": "{ID}", "command": ["a", 5]}}'.encode(),
        f'{{"execution_id": "{ID}", "command": "true", "stdin": "not base64!"}}'.encode(),
        f'{{"execution_id": "{ID}", "command": "true", "timeout": true}}'.encode(),
        f'{{"execution_id": "{ID}", "command": "true", "timeout": "soon"}}'.encode(),
        f'{{"execution_id": "{ID}", "command": "true", "env": {{"a": 1}}}}'.encode(),
        json.dumps({"execution_id": ID, "command": ["x"] * 5000}).encode(),
    ],
    ids=range(22),
)
async def test_bad_bodies(sandbox: Sandbox, body: bytes) -> None:
    answer = await sandbox.request("POST", EXECUTIONS, content=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "data"}
    assert answer.json()["code"] == "invalid-request"
    assert len(answer.content) < 10_000


async def test_large_bodies(sandbox: Sandbox) -> None:
    answer = await sandbox.request("POST", EXECUTIONS, content=b" " * (3 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")


async def test_the_answer_names_the_field_and_not_what_was_in_it(sandbox: Sandbox) -> None:
    body = {"execution_id": ID, "command": "true", "secret-looking": "hunter2"}
    data = (await sandbox.request("POST", EXECUTIONS, json=body)).json()["data"]
    assert [field["field"] for field in data["fields"]] == ["secret-looking"]
    assert "hunter2" not in json.dumps(data)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "route-not-found"),
        ("GET", "/v1/sessions/", 404, "route-not-found"),
        ("DELETE", "/v1/sessions", 405, "method-not-allowed"),
        ("GET", "/docs", 404, "route-not-found"),
        ("GET", "/openapi.json", 404, "route-not-found"),
        ("GET", "/socket.io/", 400, "invalid-request"),
        ("POST", "/socket.io/?EIO=4&transport=polling", 400, "invalid-request"),
        ("GET", "/v1/sessions/none/executions", 404, "session-not-found"),
        ("GET", "/v1/sessions/main/executions/5", 400, "invalid-request"),
        ("GET", f"{EXECUTIONS}/{ID}", 404, "execution-not-found"),
        ("GET", f"{EXECUTIONS}/{ID}?wait=nan", 400, "invalid-request"),
        ("GET", f"{EXECUTIONS}/{ID}?wait=1e308", 400, "invalid-request"),
        ("GET", f"{EXECUTIONS}/{ID}?wait=-1", 400, "invalid-request"),
        ("GET", f"{EXECUTIONS}/{ID}/output?offset=-1", 400, "invalid-request"),
        ("GET", f"{EXECUTIONS}/{ID}/output?offset={'9' * 1000}", 400, "invalid-request"),
        ("GET", f"{EXECUTIONS}/{ID}/output?stream=stdin", 400, "invalid-request"),
        ("GET", "/v1/sessions/main/files", 400, "invalid-request"),
    ],
)
async def test_errors_are_typed(sandbox: Sandbox, method: str, path: str, status: int, code: str) -> None:
    answer = await sandbox.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"session_id": "s", "path": "/etc"}, "folder-outside-roots"),
        ({"session_id": "s", "path": "../x"}, "folder-outside-roots"),
        ({"session_id": "s", "path": "a\0"}, "path-invalid"),
        ({"session_id": "s", "path": "a/" * 2048}, "invalid-request"),
        ({"session_id": "s", "path": "é" * 2100}, "path-invalid"),
        ({"session_id": "s", "path": "x" * 256}, "path-invalid"),
        ({"session_id": "../s", "path": ""}, "invalid-request"),
        ({"session_id": "", "path": ""}, "invalid-request"),
        ({"session_id": "s" * 129, "path": ""}, "invalid-request"),
        ({"session_id": "main", "path": "other"}, "session-conflict"),
        ({"session_id": "main", "path": "", "env": {"A": "b"}}, "session-conflict"),
    ],
)
async def test_bad_sessions(sandbox: Sandbox, fields: dict[str, Any], code: str) -> None:
    assert (await sandbox.request("POST", "/v1/sessions", json=fields)).json()["code"] == code


async def test_sessions_are_idempotent(sandbox: Sandbox) -> None:
    await sandbox.session("again", "a//b/./c", env={"A": "b"})
    await sandbox.session("again", f"{sandbox.workspace}/a/b/c")
    await sandbox.session("again", "a/b/c/", env={"A": "b"})
    listed = (await sandbox.request("GET", "/v1/sessions")).json()["sessions"]
    assert listed[1] == {"session_id": "again", "folder": f"{sandbox.workspace}/a/b/c"}
    assert (sandbox.workspace / "a/b/c").is_dir()


@pytest.mark.parametrize(
    ("event", "payload", "code"),
    [
        ("no.such.event", {}, "route-not-found"),
        ("execution.start", None, "invalid-request"),
        ("execution.start", [], "invalid-request"),
        ("execution.start", {"session_id": "main"}, "invalid-request"),
        ("execution.start", {"session_id": "main", "start": {"stdin": "text"}}, "invalid-request"),
        ("execution.status", {"session_id": "none", "execution_id": ID}, "session-not-found"),
        ("execution.status", {"session_id": "main", "execution_id": ID}, "execution-not-found"),
        ("execution.credit", {"session_id": "main", "execution_id": ID, "credit": 0}, "invalid-request"),
        ("execution.attach", {"session_id": "main", "execution_id": ID, "offset": -1}, "invalid-request"),
        ("token.renew", {}, "token-missing"),
        ("token.renew", {"token": "x"}, "token-invalid"),
    ],
)
async def test_bad_events(client: Client, event: str, payload: Any, code: str) -> None:
    assert (await client.call(event, payload))["error"]["code"] == code


async def test_bad_packets_do_not_end_the_server(sandbox: Sandbox, client: Client) -> None:
    for packet in [
        '2["a",' + "[" * 100_000,
        "2[]",
        "25",
        '2["connect",{},{}]',
        "59-[]",
        "6",
        "9",
        "2/other,[]",
        "",
        "3[]",
    ]:
        await client.sio.eio.send(packet)
    await client.sio.eio.send('2["a",{"b":1,"b":2}]')
    assert (await client.call("session.list", {}))["ok"]["sessions"]
