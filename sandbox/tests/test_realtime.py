"""Output over Socket.IO: credit, attaching, leaving, and connections that end with their token."""

import os
import time
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest
import socketio
from socketio.exceptions import ConnectionError as SocketIOError

from kubebox_protocol import events
from kubebox_protocol.keys import new_private_key, public_pem, read_private_key
from kubebox_protocol.tokens import HANDSHAKE_TARGET
from kubebox_sandbox.doors import connection, socketio_server

from .conftest import Client, Sandbox

MEBIBYTE = 1 << 20


async def test_credit_bounds_what_is_sent(client: Client) -> None:
    started = await client.start("head -c 1000000 /dev/zero", credit=100_000)
    with anyio.fail_after(10):
        while len(client.output(started)) < 100_000:
            await client.changed.wait()
    status = {"session_id": "main", "execution_id": started}
    await client.call(events.STATUS, status)
    assert len(client.output(started)) == 100_000
    assert not any(event == events.ENDED for event, _ in client.received)
    await client.sio.emit(events.CREDIT, {**status, "credit": MEBIBYTE})
    await client.wait_for(events.ENDED, started)
    assert client.output(started) == bytes(1_000_000)


async def test_offsets_run_on_over_both_streams(client: Client) -> None:
    started = await client.start("for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done", credit=MEBIBYTE)
    await client.wait_for(events.ENDED, started)
    at = 0
    for event, payload in client.received:
        if event == events.OUTPUT:
            assert payload["offset"] == at
            at += len(payload["data"])
    assert client.output(started, "stdout") == b"out1\nout2\nout3\nout4\nout5\n"
    assert client.output(started, "stderr") == b"err1\nerr2\nerr3\nerr4\nerr5\n"


async def test_many_readers_at_any_offset(sandbox: Sandbox, client: Client) -> None:
    started = await client.start("seq 1 20000", credit=0)
    ended = await client.wait_for(events.ENDED, started)
    assert ended["output"] is None
    expected = "".join(f"{number}\n" for number in range(1, 20001)).encode()
    for offset in [0, 1, 50_000, len(expected) - 1, len(expected)]:
        reader = Client(sandbox)
        await reader.connect()
        where = {"session_id": "main", "execution_id": started, "offset": offset}
        assert "ok" in await reader.call(events.ATTACH, {**where, "credit": MEBIBYTE})
        await reader.wait_for(events.ENDED, started)
        assert reader.output(started) == expected[offset:]
        beyond = await reader.call(events.ATTACH, {**where, "offset": len(expected) + 1})
        assert beyond["error"]["code"] == "offset-beyond-end"
        await reader.sio.disconnect()


async def test_who_comes_back_gets_small_pieces_first(sandbox: Sandbox, client: Client) -> None:
    """Where the line breaks again and again, each connection shall bring something whole."""
    started = await client.start("seq 1 40000", credit=0)
    await client.wait_for(events.ENDED, started)
    again = Client(sandbox)
    await again.connect()
    where = {"session_id": "main", "execution_id": started, "offset": 1000, "credit": MEBIBYTE}
    await again.call(events.ATTACH, where)
    await again.wait_for(events.ENDED, started)
    sizes = [len(payload["data"]) for event, payload in again.received if event == events.OUTPUT]
    most = [4096, 8192, 16384, 32768, 65536]
    assert all(size <= limit for size, limit in zip(sizes, most, strict=False)), sizes
    assert sizes[0] == most[0]
    assert max(sizes) > most[3]
    await again.sio.disconnect()


async def test_leaving_does_not_end_the_command(sandbox: Sandbox, client: Client) -> None:
    started = await client.start("echo one; read; echo two", credit=MEBIBYTE, stdin=b"\n")
    await client.sio.disconnect()
    again = Client(sandbox)
    await again.connect()
    request = {"session_id": "main", "execution_id": started, "offset": 0, "credit": MEBIBYTE}
    await again.call(events.ATTACH, request)
    await again.wait_for(events.ENDED, started)
    assert again.output(started) == b"one\ntwo\n"
    await again.sio.disconnect()


async def test_detached_readers_hear_nothing(client: Client) -> None:
    started = await client.start("sleep 1000", credit=MEBIBYTE)
    where = {"session_id": "main", "execution_id": started}
    await client.call(events.DETACH, where)
    assert (await client.call(events.KILL, {**where, "kill": {"grace": 0}}))["ok"]["survivors"] == 0
    assert client.received == []


async def test_a_repeated_start_reads_the_first_ones_output(client: Client) -> None:
    start = {"execution_id": str(uuid.uuid4()), "command": "echo once; echo x >> runs"}
    request = {"session_id": "main", "start": start, "credit": MEBIBYTE}
    for _ in range(3):
        assert "ok" in await client.call(events.START, request)
    await client.wait_for(events.ENDED, start["execution_id"])
    assert (client.sandbox.workspace / "runs").read_text() == "x\n"


async def test_kill_all_and_lists(client: Client) -> None:
    started = [await client.start("sleep 1000") for _ in range(3)]
    listed = (await client.call(events.LIST_EXECUTIONS, {"session_id": "main"}))["ok"]["executions"]
    assert [each["execution_id"] for each in listed] == started
    assert (await client.call(events.KILL_ALL, {"session_id": "main"}))["ok"] == {"killed": 3, "survivors": 0}
    for each in started:
        ended = await client.wait_for(events.ENDED, each)
        assert ended["execution"]["verdict"]["kind"] == "killed"


TOKEN_SECONDS = 6
"""Enough to come in with it, and to bring the next one, on a busy machine. It ends at a whole second, up to one earlier."""


async def test_a_connection_ends_with_its_token(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    await client.connect(token=sandbox.token("GET", HANDSHAKE_TARGET, lifetime=TOKEN_SECONDS))
    with anyio.fail_after(TOKEN_SECONDS + 10):
        await client.disconnected.wait()


async def test_a_renewed_connection_stays(sandbox: Sandbox) -> None:
    client, ending, now = Client(sandbox), Client(sandbox), time.time()
    for each in (client, ending):
        await each.connect(token=sandbox.token("GET", HANDSHAKE_TARGET, lifetime=TOKEN_SECONDS, now=now))
    foreign = sandbox.token("GET", HANDSHAKE_TARGET, key=read_private_key(new_private_key()))
    assert (await client.call(events.RENEW_TOKEN, {"token": foreign}))["error"]["code"] == "token-invalid"
    fresh = sandbox.token("GET", HANDSHAKE_TARGET)
    assert "ok" in await client.call(events.RENEW_TOKEN, {"token": fresh})
    with anyio.fail_after(TOKEN_SECONDS + 10):
        await ending.disconnected.wait()
    assert not client.disconnected.is_set()
    assert (await client.call("session.list", {}))["ok"]["sessions"]
    await client.sio.disconnect()


async def test_the_new_token_must_be_of_the_same_key(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    other = read_private_key(new_private_key())
    sandbox.settings_overrides["public_keys"] = public_pem(sandbox.key) + public_pem(other)
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        client = Client(sandbox)
        await client.connect()
        renewed = {"token": sandbox.token("GET", HANDSHAKE_TARGET, key=other)}
        assert (await client.call(events.RENEW_TOKEN, renewed))["error"]["code"] == "token-invalid"
        await client.sio.disconnect()


async def test_a_connection_without_a_token_may_not_stay(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketio_server, "CONNECT_SECONDS", 0.2)
    reasons: list[dict[str, Any]] = []
    refused: Any = socketio.AsyncClient(reconnection=False)
    refused.on("connect_error", reasons.append)
    with pytest.raises(SocketIOError):
        await refused.connect(sandbox.url, transports=["websocket"])
    assert reasons[0]["data"]["code"] == "token-missing"
    silent = Client(sandbox)
    with anyio.fail_after(10):
        await silent.sio.eio.connect(sandbox.url, transports=["websocket"], engineio_path="socket.io")
        await silent.sio.eio.wait()


async def test_a_reader_that_may_not_be_starts_nothing(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_READERS", 1)
    await client.start("sleep 1000")
    start = {"execution_id": str(uuid.uuid4()), "command": "touch started"}
    refused = await client.call(events.START, {"session_id": "main", "start": start})
    assert refused["error"]["code"] == "too-many-requests"
    assert os.listdir(sandbox.workspace) == []
    unknown = await sandbox.request("GET", f"/v1/sessions/main/executions/{start['execution_id']}")
    assert unknown.json()["code"] == "execution-not-found"


async def test_all_readers_of_a_connection_share_a_credit(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTION_CREDIT", 3 * MEBIBYTE)
    started = await client.start("sleep 1000", credit=2 * MEBIBYTE)
    where = {"session_id": "main", "execution_id": started}
    start = {"execution_id": str(uuid.uuid4()), "command": "echo fine"}
    too_much = {"session_id": "main", "start": start, "credit": 2 * MEBIBYTE}
    for event, payload in [(events.START, too_much), (events.CREDIT, {**where, "credit": 2 * MEBIBYTE})]:
        refused = (await client.call(event, payload))["error"]
        assert (refused["code"], refused["data"]) == ("too-many-requests", {"limit": 3 * MEBIBYTE})
    again = {**where, "offset": 0, "credit": 3 * MEBIBYTE}  # In the place of the first reader.
    assert "ok" in await client.call(events.ATTACH, again)
    await client.call(events.DETACH, where)
    assert "ok" in await client.call(events.START, too_much)
    await client.wait_for(events.ENDED, start["execution_id"])


async def test_a_connection_that_goes_while_its_command_starts_takes_no_right_to_write(
    sandbox: Sandbox, client: Client
) -> None:
    start = {"execution_id": str(uuid.uuid4()), "command": "cat", "mode": "background", "open_stdin": True}
    given = {
        "session_id": "main",
        "execution_id": start["execution_id"],
        "input": {"offset": 0, "data": b"x"},
    }
    leaving = Client(sandbox)
    await leaving.connect()
    async with sandbox.stopped_workspace():
        await leaving.sio.emit(events.START, {"session_id": "main", "start": start})
        await leaving.sio.emit(events.INPUT, given)
        await leaving.call(events.LIST_SESSIONS, {})  # Which comes after them.
        await leaving.sio.disconnect()
        with anyio.fail_after(10):
            await leaving.disconnected.wait()
    assert (await client.call(events.INPUT, given))["ok"] == {"offset": 1}


async def test_a_timeout_in_a_shell_ends_no_later_command(client: Client) -> None:
    """What ignores SIGTERM is killed two seconds later, and by then another connection may run the next command."""
    started = await client.start("", shell=True, mode="background")
    where = {"session_id": "main", "execution_id": started}
    first = {**where, "number": 1, "command": "(trap '' TERM; sleep 60) & sleep 60"}
    second = {**where, "number": 2, "command": "sleep 3"}
    other = Client(client.sandbox)
    await other.connect()
    async with anyio.create_task_group() as group:
        group.start_soon(client.call, events.SHELL_RUN, {**first, "timeout": 0.2})
        assert (await other.call(events.SHELL_RUN, first))["ok"]["timed_out"]
        assert (await other.call(events.SHELL_RUN, second))["ok"]["exit_code"] == 0
    await other.sio.disconnect()
