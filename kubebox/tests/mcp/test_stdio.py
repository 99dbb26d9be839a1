"""A client over pipes: what is its own, what goes with it, and what never comes over the wire."""

import json
import signal
import subprocess
from typing import Any

import anyio
import pytest
from mcp import MCPError

from tests.command_line import KUBEBOX, PATIENCE

from .servers import HELLO, Mcp, calling, heed_interrupts


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_sandboxes_end_with_the_client(mcp: Mcp, mode: str) -> None:
    async with mcp.stdio(mode=mode) as guest:
        sandboxes = [await guest.create(), await guest.create()]
        assert await guest.sandboxes() == sandboxes
        assert not mcp.is_empty
        await guest.get("start_process", sandbox_id=sandboxes[0], command="sleep 600")
    await mcp.becomes_empty()
    assert mcp.log == ""


async def test_a_killed_sandbox_is_gone_and_another_one_stays(mcp: Mcp) -> None:
    async with mcp.stdio() as guest:
        first, second = await guest.create(), await guest.create()
        await guest.get("kill_sandbox", sandbox_id=first)
        assert await guest.sandboxes() == [second]
        assert (await guest.error("run_command", sandbox_id=first, command="true"))[
            "code"
        ] == "sandbox-not-found"
        assert (await guest.error("kill_sandbox", sandbox_id=first))["code"] == "sandbox-not-found"
        assert (await guest.get("run_command", sandbox_id=second, command="echo on"))["stdout"] == "on\n"


async def test_a_sandbox_that_has_died_is_told_with_its_verdict_and_never_as_a_result(mcp: Mcp) -> None:
    async with mcp.stdio() as guest:
        sandbox = await guest.create(lifetime_seconds=10)
        error = await guest.error("run_command", sandbox_id=sandbox, command="sleep 600")
        assert error["code"] == "sandbox-lost"
        (told,) = (await guest.get("list_sandboxes"))["sandboxes"]
        assert (told["state"], told["seconds_left"]) == ("ended", None)
        assert told["reason"]
        for tool, arguments in (("read_file", {"path": "a"}), ("start_process", {"command": "true"})):
            assert (await guest.error(tool, sandbox_id=sandbox, **arguments))["code"] == "sandbox-lost"
        await guest.get("kill_sandbox", sandbox_id=sandbox)
        assert await guest.sandboxes() == []


async def test_a_cancelled_call_kills_its_command(mcp: Mcp) -> None:
    async with mcp.stdio() as guest:
        sandbox = await guest.create()
        assert (await guest.give_up(sandbox, "echo begun; sleep 600"))["exit_code"] == -15


async def test_a_sandbox_whose_making_is_cancelled_does_not_stay(mcp: Mcp) -> None:
    async with mcp.stdio() as guest:
        with anyio.move_on_after(0.2) as scope:
            await guest.client.call_tool("create_sandbox", {})
        assert scope.cancelled_caught
        await mcp.becomes_empty()
        assert await guest.sandboxes() == []


async def test_a_command_that_takes_long_says_that_it_goes_on(mcp: Mcp) -> None:
    heard = list[tuple[float, str | None]]()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with mcp.stdio() as guest:
        sandbox = await guest.create()
        await guest.client.call_tool(
            "run_command", {"sandbox_id": sandbox, "command": "sleep 6"}, progress_callback=hear
        )
    assert heard
    assert heard[0][0] >= 5
    assert "running for" in (heard[0][1] or "")


async def test_a_client_has_no_more_sandboxes_than_it_may(mcp: Mcp) -> None:
    async with mcp.stdio("--max-sandboxes", "1") as guest:
        sandbox = await guest.create()
        error = await guest.error("create_sandbox")
        assert (error["code"], error["data"]) == ("too-many-sandboxes", {"limit": 1})
        await guest.get("kill_sandbox", sandbox_id=sandbox)
        await guest.create()


async def test_the_owner_says_what_sandboxes_may_be(mcp: Mcp) -> None:
    async with mcp.stdio("--lifetime", "100", "--memory", "256Mi", "--env", "A=owner") as guest:
        error = await guest.error("create_sandbox", lifetime_seconds=101)
        assert error["code"] == "invalid-argument"
        assert (await guest.error("create_sandbox", image="python:3.12"))["code"] == "not-supported"
        sandbox = await guest.create(lifetime_seconds=90, env={"B": "model"})
        (told,) = (await guest.get("list_sandboxes"))["sandboxes"]
        assert 0 < told["seconds_left"] <= 90
        shown = await guest.get("run_command", sandbox_id=sandbox, command="echo $A $B")
        assert shown["stdout"] == "owner model\n"


async def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(mcp: Mcp) -> None:
    async with mcp.stdio() as guest:
        with pytest.raises(MCPError, match="no tool 'nonsense'"):
            await guest.client.call_tool("nonsense", {})
        assert await guest.sandboxes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_its_client_is_silent_and_with_it_the_sandboxes(mcp: Mcp, number: int) -> None:
    with started(mcp) as process:
        assert process.stdin is not None
        ask(process, HELLO)
        ask(process, calling("create_sandbox"))
        assert not mcp.is_empty
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
        assert mcp.is_empty
        assert process.stdout is not None
        assert process.stdout.read() == b"", "only answers are written there"


def test_what_is_no_message_is_answered_and_the_server_goes_on(mcp: Mcp) -> None:
    with started(mcp) as process:
        assert process.stdin is not None
        ask(process, HELLO)
        process.stdin.write(b"nonsense\n\xff\xfe\n{}\n")
        process.stdin.flush()
        answer = ask(process, calling("list_sandboxes"))
        assert answer["result"]["structuredContent"] == {"sandboxes": []}
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_a_client_that_has_gone_without_reading_is_no_error(mcp: Mcp) -> None:
    with started(mcp) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask(process, HELLO)
        process.stdout.close()
        process.stdin.write(json.dumps(calling("list_sandboxes")).encode() + b"\n")
        process.stdin.flush()
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_client_that_does_not_read_cannot_keep_it_from_ending(mcp: Mcp) -> None:
    with started(mcp) as process:
        assert process.stdin is not None
        ask(process, HELLO)
        ask(process, calling("create_sandbox"))
        many: dict[str, Any] = {"jsonrpc": "2.0", "method": "tools/list", "params": {}}
        for number in range(3, 103):  # far more than a pipe holds
            process.stdin.write(json.dumps({**many, "id": number}).encode() + b"\n")
        process.stdin.flush()
        process.terminate()
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert mcp.is_empty


def test_without_the_extra_it_says_what_to_install(mcp: Mcp) -> None:
    program = (
        "import importlib.util as u, sys\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'mcp' else find(name, *more)\n"
        "from kubebox.cli.app import run\n"
        "sys.exit(run(['mcp']))"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert 'pip install "kubebox[mcp]"' in done.stderr


def started(mcp: Mcp) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [KUBEBOX, "mcp"],
        env=mcp.variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    )


def ask(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()
    while (answer := json.loads(process.stdout.readline())).get("id") != message["id"]:
        pass  # Words about what was no message have no id.
    return answer
