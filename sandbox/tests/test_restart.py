"""A server that starts anew goes on where the one before it was: real commands, real init, the server twice."""

import asyncio
import hashlib
import json
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import Process

from kubebox_protocol import events

from .conftest import Client, Sandbox, eventually

MEBIBYTE = 1024 * 1024


class Restarting:
    """A sandbox whose server can be started anew while its workspace goes on."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._server = AsyncExitStack()

    async def start(self) -> None:
        await self._server.enter_async_context(self.sandbox.serving())

    async def stop(self) -> None:
        await self._server.aclose()

    async def again(self) -> None:
        await self.start()
        await self.sandbox.ready()


@pytest.fixture
async def restarting(tmp_path: Path) -> AsyncGenerator[Restarting]:
    sandbox = Sandbox(tmp_path)
    restarting = Restarting(sandbox)
    async with sandbox.open():
        await restarting.start()
        try:
            async with sandbox.workspace_running():
                await sandbox.ready()
                await sandbox.session()
                yield restarting
        finally:
            await restarting.stop()


async def test_a_command_runs_on_and_its_output_is_whole(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    go = sandbox.workspace / "go"
    started = await sandbox.start(
        "echo before; echo to-stderr >&2; touch there; while [ ! -e go ]; do sleep 0.01; done; echo after; exit 7"
    )
    await eventually((sandbox.workspace / "there").exists)
    await restarting.stop()
    go.touch()
    await restarting.again()
    ended = await sandbox.end(started["execution_id"])
    assert ended["verdict"]["exit_code"] == 7
    base = f"/v1/sessions/main/executions/{started['execution_id']}/output"
    assert (await sandbox.request("GET", f"{base}?stream=stdout")).content == b"before\nafter\n"
    assert (await sandbox.request("GET", f"{base}?stream=stderr")).content == b"to-stderr\n"


async def test_what_ended_meanwhile_is_told_with_all_that_it_wrote(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    started = await sandbox.start(
        "touch there; while [ ! -e go ]; do sleep 0.01; done; head -c 60000 /dev/zero; touch done; exit 3"
    )
    await eventually((sandbox.workspace / "there").exists)
    await restarting.stop()
    (sandbox.workspace / "go").touch()
    await eventually((sandbox.workspace / "done").exists)
    await restarting.again()
    ended = await sandbox.end(started["execution_id"])
    assert (ended["verdict"]["exit_code"], ended["end_offset"], ended["dropped_bytes"]) == (3, 60_000, 0)


async def test_a_large_stream_over_several_restarts_is_exact(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    source = sandbox.workspace / "source"
    content = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(8 * MEBIBYTE // 32))
    source.write_bytes(content)
    started = await sandbox.start(
        "for i in 1 2 3 4; do cat source; touch at$i; while [ ! -e go$i ]; do sleep 0.01; done; done"
    )
    for number in range(1, 5):
        await eventually((sandbox.workspace / f"at{number}").exists)
        await restarting.stop()
        (sandbox.workspace / f"go{number}").touch()
        await restarting.again()
    ended = await sandbox.end(started["execution_id"])
    assert ended["end_offset"] == 4 * len(content)
    path = f"/v1/sessions/main/executions/{started['execution_id']}/output"
    assert (await sandbox.request("GET", path)).content == content * 4


async def test_an_id_stays_used(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    execution_id = str(uuid.uuid4())
    command: dict[str, Any] = {"execution_id": execution_id, "command": "echo x >> ran"}
    started = await sandbox.start(**command)
    await sandbox.end(execution_id)
    await restarting.stop()
    await restarting.again()
    again = await sandbox.start(**command)
    other = await sandbox.start("echo y >> ran", execution_id=execution_id)
    assert (started["status"], again["status"], other["code"]) == (201, 200, "execution-conflict")
    assert again["verdict"]["exit_code"] == 0
    assert (sandbox.workspace / "ran").read_text() == "x\n"


async def test_a_timeout_holds_across_a_restart(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    started = await sandbox.start("sleep 600", timeout=0.5)
    await restarting.stop()
    await restarting.again()
    ended = await sandbox.end(started["execution_id"])
    assert ended["verdict"]["kind"] == "timed-out"


async def test_input_goes_on_at_its_offset(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    started = await sandbox.start("cat", open_stdin=True)
    base = f"/v1/sessions/main/executions/{started['execution_id']}"
    first = await sandbox.request("POST", f"{base}/input", json={"offset": 0, "data": "b25lCg=="})
    await restarting.stop()
    await restarting.again()
    known = (await sandbox.request("GET", base)).json()["stdin_offset"]
    repeated = await sandbox.request("POST", f"{base}/input", json={"offset": 0, "data": "b25lCg=="})
    last = await sandbox.request(
        "POST", f"{base}/input", json={"offset": 4, "data": "dHdvCg==", "close": True}
    )
    assert [first.json()["offset"], known, repeated.json()["offset"], last.json()["offset"]] == [4, 4, 4, 8]
    ended = await sandbox.end(started["execution_id"])
    assert ended["verdict"]["exit_code"] == 0
    assert (await sandbox.request("GET", f"{base}/output")).content == b"one\ntwo\n"


async def test_what_is_known_of_input_and_of_shells_outlives_several_servers(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    client = Client(sandbox)
    await client.connect()
    started = await sandbox.start("cat", open_stdin=True)
    base = f"/v1/sessions/main/executions/{started['execution_id']}"
    given = {"offset": 0, "data": "b25lCg=="}
    assert (await sandbox.request("POST", f"{base}/input", json=given)).json() == {"offset": 4}
    shell = await client.start("", shell=True)
    command = {
        "session_id": "main",
        "execution_id": shell,
        "number": 1,
        "command": "x=kept; echo $x; (exit 5)",
    }
    first = await client.call(events.SHELL_RUN, command)
    await client.sio.disconnect()
    for _ in range(3):
        await restarting.stop()
        await restarting.again()
    client = Client(sandbox)
    await client.connect()
    assert (await sandbox.request("POST", f"{base}/input", json=given)).json() == {"offset": 4}
    assert await client.call(events.SHELL_RUN, command) == first
    second = await client.call(events.SHELL_RUN, {**command, "number": 2, "command": "echo $? $x"})
    assert b64decode(second["ok"]["output"][0]["data"]) == b"5 kept\n"
    await client.sio.disconnect()


async def test_a_shell_goes_on(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    client = Client(sandbox)
    await client.connect()
    shell = await client.start("", shell=True)
    ask = {"session_id": "main", "execution_id": shell}
    await client.call(events.SHELL_RUN, {**ask, "number": 1, "command": "cd /; x=kept"})
    await client.sio.disconnect()
    await restarting.stop()
    await restarting.again()
    client = Client(sandbox)
    await client.connect()
    repeated = await client.call(events.SHELL_RUN, {**ask, "number": 1, "command": "cd /; x=kept"})
    result = await client.call(events.SHELL_RUN, {**ask, "number": 2, "command": "pwd; echo $x; (exit 5)"})
    assert repeated["ok"].get("exit_code", 0) == 0
    assert result["ok"]["exit_code"] == 5
    assert b"".join(b64decode(chunk["data"]) for chunk in result["ok"]["output"]) == b"/\nkept\n"
    await client.sio.disconnect()


async def test_what_a_workspace_that_is_gone_ran_is_told_as_lost(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    restarting = Restarting(sandbox)
    async with sandbox.open():
        await restarting.start()
        async with sandbox.workspace_running() as init:
            await sandbox.ready()
            await sandbox.session()
            started = await sandbox.start("sleep 600")
            await restarting.stop()
            await _kill(init)
        await restarting.start()
        async with sandbox.workspace_running():
            await sandbox.ready()
            ended = await sandbox.end(started["execution_id"])
            assert ended["verdict"]["kind"] == "workspace-restarted"
        await restarting.stop()


async def test_what_a_workspace_ran_that_does_not_come_back_is_told_as_lost(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["return_seconds"] = 0.5
    restarting = Restarting(sandbox)
    async with sandbox.open():
        await restarting.start()
        async with sandbox.workspace_running() as init:
            await sandbox.ready()
            await sandbox.session()
            started = await sandbox.start("sleep 600")
            await restarting.stop()
            await _kill(init)
        await restarting.start()
        ended = await sandbox.end(started["execution_id"])
        assert ended["verdict"]["kind"] == "workspace-restarted"
        await restarting.stop()


async def _kill(init: Process) -> None:
    init.kill()
    await init.wait()


async def test_input_that_was_partly_taken_goes_on_where_it_was(restarting: Restarting) -> None:
    """A pipe takes some of a piece, and the server stops: the rest comes once, and nothing twice."""
    sandbox = restarting.sandbox
    content = b"".join(b"%07d\n" % number for number in range(16384))
    started = await sandbox.start(
        "head -c 8192 > first; touch read; while [ ! -e go ]; do sleep 0.01; done; cat > rest",
        open_stdin=True,
    )
    base = f"/v1/sessions/main/executions/{started['execution_id']}"

    async def give(offset: int, end: int, **fields: Any) -> int:
        given = {"offset": offset, "data": b64encode(content[offset:end]).decode(), **fields}
        return (await sandbox.request("POST", f"{base}/input", json=given)).status_code

    assert await give(0, 65536) == 200
    giving = asyncio.create_task(give(65536, 131072))
    await eventually((sandbox.workspace / "read").exists)
    await restarting.stop()
    await asyncio.wait([giving])
    await restarting.again()
    (sandbox.workspace / "go").touch()
    known = (await sandbox.request("GET", base)).json()["stdin_offset"]
    assert 65536 <= known < 131072
    for start in range(known, 131072, 65536):
        assert await give(start, min(start + 65536, 131072)) == 200
    assert await give(131072, 131072, close=True) == 200
    await sandbox.end(started["execution_id"])
    got = (sandbox.workspace / "first").read_bytes() + (sandbox.workspace / "rest").read_bytes()
    assert got == content


async def test_input_of_which_nobody_knows_whether_it_came_is_not_given_again(
    restarting: Restarting,
) -> None:
    sandbox = restarting.sandbox
    started = await sandbox.start("cat", open_stdin=True)
    base = f"/v1/sessions/main/executions/{started['execution_id']}"
    given = {"offset": 0, "data": b64encode(b"one\n").decode()}
    assert (await sandbox.request("POST", f"{base}/input", json=given)).status_code == 200
    await restarting.stop()
    with (sandbox.state / "executions").open(
        "a"
    ) as ledger:  # As a server leaves it that is killed in its write.
        ledger.write(json.dumps({"given": started["execution_id"], "offset": 4, "unsure": True}) + "\n")
    await restarting.again()
    more = {"offset": 4, "data": b64encode(b"two\n").decode()}
    refused = await sandbox.request("POST", f"{base}/input", json=more)
    assert (refused.json()["code"], refused.json()["data"]["offset"]) == ("input-unknown", 4)
    closed = await sandbox.request("POST", f"{base}/input", json={"offset": 4, "data": "", "close": True})
    assert closed.status_code == 200
    assert (await sandbox.end(started["execution_id"]))["verdict"]["exit_code"] == 0


@pytest.mark.parametrize("last", [{"data": "dHdvCg=="}, {"data": ""}], ids=["bytes", "nothing"])
async def test_input_that_comes_before_the_pipes_are_back_is_given(
    restarting: Restarting, last: dict[str, str]
) -> None:
    sandbox = restarting.sandbox
    started = await sandbox.start("cat", open_stdin=True)
    url = f"/v1/sessions/main/executions/{started['execution_id']}/input"
    await sandbox.request("POST", url, json={"offset": 0, "data": "b25lCg=="})
    await restarting.stop()
    await restarting.start()  # And no waiting until it is ready.
    answer = await sandbox.request("POST", url, json={"offset": 4, "close": True, **last})
    assert answer.status_code == 200, answer.text
    assert (await sandbox.end(started["execution_id"]))["verdict"]["kind"] == "exited"


async def test_a_listing_waits_for_the_workspace_as_everything_does(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    (sandbox.workspace / "file").write_text("x")
    await restarting.stop()
    await restarting.start()
    answer = await sandbox.request("POST", "/v1/sessions/main/files/list", json={"path": ""})
    assert [file["path"] for file in answer.json()["entries"]] == ["file"]


async def test_input_that_was_closed_stays_closed(restarting: Restarting) -> None:
    """A server that never had the pipe, since the workspace did not come back as long as it lived, is told of the end."""
    sandbox = restarting.sandbox
    started = await sandbox.start("cat", open_stdin=True)
    await restarting.stop()
    async with sandbox.stopped_workspace():
        await restarting.start()
        url = f"/v1/sessions/main/executions/{started['execution_id']}/input"
        assert (await sandbox.request("POST", url, json={"offset": 0, "close": True})).status_code == 200
        await restarting.stop()
    await restarting.again()
    assert (await sandbox.end(started["execution_id"]))["verdict"]["kind"] == "exited"


async def test_what_ended_in_time_while_no_server_was_there_has_not_timed_out(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    go = sandbox.workspace / "go"
    started = await sandbox.start("until [ -e go ]; do sleep 0.01; done; touch gone", timeout=1)
    await restarting.stop()
    go.touch()
    await eventually((sandbox.workspace / "gone").exists)
    await asyncio.sleep(1.0)  # Its time passes: that is what is tested.
    await restarting.again()
    assert (await sandbox.end(started["execution_id"]))["verdict"]["kind"] == "exited"


async def test_what_had_ended_before_a_restart_takes_no_input(restarting: Restarting) -> None:
    sandbox = restarting.sandbox
    started = await sandbox.start("true", open_stdin=True)
    await sandbox.end(started["execution_id"])
    await restarting.stop()
    await restarting.again()
    url = f"/v1/sessions/main/executions/{started['execution_id']}/input"
    answer = await sandbox.request("POST", url, json={"offset": 0, "data": "b25lCg=="})
    assert (answer.status_code, answer.json()["code"]) == (409, "input-closed")
