"""What a field may be does not depend on the door: neither takes text for a number, or anything for a truth (H38)."""

import uuid
from typing import Any

import pytest

from kubebox_protocol import events

from .conftest import Client, Sandbox

ID = "7c2bdc0e-5d0f-4f7e-8a0e-0b8a8b1d0c11"
BASE = "/v1/sessions/main/executions"
HALF = "\ud800"
"""Half of a surrogate pair: JSON's escapes can write it, UTF-8 cannot."""

BODIES: list[tuple[str, dict[str, Any], str]] = [
    ("start", {"open_stdin": "yes"}, "open_stdin"),
    ("start", {"open_stdin": 1}, "open_stdin"),
    ("start", {"shell": "no"}, "shell"),
    ("start", {"lease": True}, "lease"),
    ("start", {"lease": "60"}, "lease"),
    ("start", {"timeout": "5"}, "timeout"),
    ("start", {"timeout": False}, "timeout"),
    ("start", {"terminal": {"rows": "24"}}, "terminal.rows"),
    ("start", {"terminal": {"rows": True}}, "terminal.rows"),
    ("start", {"terminal": {"columns": 80.0}}, "terminal.columns"),
    ("start", {"env": {"A": 1}}, "env.A"),
    ("start", {"user": 5}, "user"),
    ("start", {"path": 5}, "path"),
    ("start", {"mode": 5}, "mode"),
    ("start", {"mode": "other"}, "mode"),
    ("start", {"stdin": 5}, "stdin"),
    ("start", {"execution_id": 5}, "execution_id"),
    ("start", {"execution_id": "5"}, "execution_id"),
    ("start", {"command": 5}, "command"),
    ("start", {"command": ["ls", 5]}, "command"),
    ("kill", {"grace": "2"}, "grace"),
    ("kill", {"grace": True}, "grace"),
    ("signal", {"signal": 15}, "signal"),
    ("signal", {"signal": "TERM", "scope": True}, "scope"),
    ("input", {"offset": "0"}, "offset"),
    ("input", {"offset": 0.0}, "offset"),
    ("input", {"offset": 0, "close": "yes"}, "close"),
    ("input", {"offset": 0, "take": 1}, "take"),
    ("session", {"session_id": 5}, "session_id"),
    ("session", {"path": 5}, "path"),
    ("session", {"env": {"A": True}}, "env.A"),
]
"""What both doors know."""

WHICH = {"session_id": "main", "execution_id": ID}
MESSAGES: list[tuple[str, dict[str, Any], str]] = [
    (events.START, {"credit": "5"}, "credit"),
    (events.START, {"credit": True}, "credit"),
    (events.START, {"end_inline": "yes"}, "end_inline"),
    (events.START, {"session_id": b"main"}, "session_id"),
    (events.ATTACH, {**WHICH, "offset": "0"}, "offset"),
    (events.ATTACH, {**WHICH, "credit": 5.0}, "credit"),
    (events.CREDIT, {**WHICH, "credit": "5"}, "credit"),
    (events.CREDIT, {**WHICH, "credit": True}, "credit"),
    (events.LIST_EXECUTIONS, {"session_id": "main", "limit": "1"}, "limit"),
    (events.LIST_EXECUTIONS, {"session_id": "main", "after": 5}, "after"),
    (events.RESIZE, {**WHICH, "size": {"rows": "24"}}, "size.rows"),
    (events.SHELL_RUN, {**WHICH, "number": "1", "command": "ls"}, "number"),
    (events.SHELL_RUN, {**WHICH, "number": 1, "command": "ls", "timeout": "5"}, "timeout"),
    (events.SHELL_RUN, {**WHICH, "number": 1, "command": b"ls"}, "command"),
    (events.SHELL_RUN, {**WHICH, "number": 1, "command": HALF}, "command"),
    (events.STATUS, {**WHICH, "execution_id": uuid.UUID(ID).bytes}, "execution_id"),
    (events.INITIALIZE_SESSION, {"session_id": "other", "path": "", "env": {"A": HALF}}, "env.A"),
]
"""What Socket.IO alone knows: credit, shells, and binary parts where there should be none."""

STARTS: list[tuple[dict[str, Any], str]] = [
    ({"command": b"ls"}, "command"),
    ({"command": HALF}, "command"),
    ({"command": ["ls", HALF]}, "command"),
    ({"env": {"A": HALF}}, "env.A"),
    ({"env": {HALF: "a"}}, "env"),
    ({"user": HALF}, "user"),
    ({"env": {"A": b"a"}}, "env.A"),
    ({"mode": b"wait"}, "mode"),
    ({"execution_id": ID.encode()}, "execution_id"),
    ({"stdin": "eHk="}, "stdin"),
]
"""The same, within a start."""


def filled(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A body that lacks nothing else."""
    whole: dict[str, dict[str, Any]] = {
        "start": {"execution_id": ID, "command": "true"},
        "session": {"session_id": "other", "path": ""},
    }
    return whole.get(kind, {}) | fields


def named(body: dict[str, Any], field: str) -> None:
    """The refusal names the field, and no other."""
    assert body["code"] == "invalid-request", body
    fields = {each["field"] for each in body["data"]["fields"]}
    assert fields, body
    assert all(each == field or each.startswith(f"{field}.") for each in fields), body


@pytest.mark.parametrize(("kind", "fields", "field"), BODIES)
async def test_both_doors_refuse_the_same(
    sandbox: Sandbox, client: Client, kind: str, fields: dict[str, Any], field: str
) -> None:
    body = filled(kind, fields)
    if kind == "session":
        path, event, payload, within = "/v1/sessions", events.INITIALIZE_SESSION, body, ""
    elif kind == "start":
        path, event, payload, within = BASE, events.START, {"session_id": "main", kind: body}, f"{kind}."
    else:
        path, event, payload, within = (
            f"{BASE}/{ID}/{kind}",
            f"execution.{kind}",
            {**WHICH, kind: body},
            f"{kind}.",
        )
    answer = await sandbox.request("POST", path, json=body)
    assert answer.status_code == 400
    named(answer.json(), field)
    named((await client.call(event, payload))["error"], within + field)


@pytest.mark.parametrize(("event", "payload", "field"), MESSAGES)
async def test_messages_are_read_strictly(
    client: Client, event: str, payload: dict[str, Any], field: str
) -> None:
    if event == events.START:
        payload = {"session_id": "main", "start": filled("start", {}), **payload}
    named((await client.call(event, payload))["error"], field)


@pytest.mark.parametrize(("fields", "field"), STARTS)
async def test_starts_are_read_strictly(client: Client, fields: dict[str, Any], field: str) -> None:
    payload = {"session_id": "main", "start": filled("start", fields)}
    named((await client.call(events.START, payload))["error"], f"start.{field}")


async def test_what_json_has_no_type_for_comes_as_text_or_as_a_binary_part(client: Client) -> None:
    started = await client.start(
        "cat; echo $A",
        mode="wait",
        stdin=b"in\xff\n",
        timeout=5,
        lease=None,
        env={"A": "é\N{GRINNING FACE}"},
        credit=1 << 20,
    )
    ended = await client.wait_for(events.ENDED, started)
    assert (ended["execution"]["mode"], ended["execution"]["execution_id"]) == ("wait", started)
    assert client.output(started) == b"in" + b"\xff\n" + "é\N{GRINNING FACE}\n".encode()


async def test_over_rest_bytes_are_base64(sandbox: Sandbox) -> None:
    ended = await sandbox.run("cat", stdin="aW7/Cg==", timeout=5, mode="background")
    assert ended["stdout"] == b"in\xff\n"


@pytest.mark.parametrize("token", [HALF, 5, b"x", "é"])
async def test_what_no_token_can_be_is_refused_as_one(client: Client, token: Any) -> None:
    refused = await client.call(events.RENEW_TOKEN, {"token": token})
    assert refused["error"]["code"] in ("token-missing", "token-invalid")
