"""Commands against a real server: the three modes, what they give, and how they end."""

import asyncio
import contextlib
import hashlib
import os
import re
from typing import Any
from uuid import uuid4

import anyio
import pytest

from kubebox import errors
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode

from .conftest import PATIENCE, Server

WAIT, BACKGROUND = CommandMode.WAIT, CommandMode.BACKGROUND


async def test_a_wait_gives_both_streams_and_the_exit_code(client: SandboxClient, session: str) -> None:
    result = await client.run_command(session, "echo out; echo err >&2; exit 3", WAIT)
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert (result.stdout_bytes, result.finished, result.truncated) == (b"out\n", True, False)
    with pytest.raises(errors.CommandFailed) as caught:
        result.check()
    assert caught.value.result is result


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": b"ls"},
        {"command": 5},
        {"command": ["ls", 5]},
        {"command": ["x"] * 5000},
        {"timeout": "5"},
        {"timeout": True},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"path": 5},
        {"path": "x" * 5000},
        {"user": 5},
        {"stdin": 5},
        {"mode": "other"},
        {"session_id": "a/b"},
    ],
)
async def test_what_no_command_can_be_is_refused_in_our_words(
    client: SandboxClient, session: str, arguments: dict[str, Any]
) -> None:
    run: Any = client.run_command  # as whoever checks no types calls it
    with pytest.raises(errors.InvalidArgument) as caught:
        await run(**{"session_id": session, "command": "ls"} | arguments)
    assert caught.value.message.startswith(f"{next(iter(arguments))}: ")
    assert not re.search(r"Input|Value|String|List|Data", caught.value.message)


async def test_a_missing_folder_is_named(client: SandboxClient, session: str) -> None:
    with pytest.raises(errors.SandboxFileNotFound, match="no/such") as caught:
        await client.run_command(session, "ls", WAIT, path="no/such")
    assert caught.value.data["path"] == "no/such"


async def test_a_stream_yields_output_and_then_knows_the_end(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(session, "echo out; exit 3")
    assert stream.exit_code is None
    pieces = [piece async for piece in stream]
    assert b"".join(piece.data for piece in pieces) == b"out\n"
    assert (stream.exit_code, stream.verdict and stream.verdict.kind) == (3, "exited")
    with pytest.raises(errors.CommandFailed):
        stream.check()
    assert [piece async for piece in stream] == []


async def test_a_stream_beyond_its_credit_arrives_exactly(client: SandboxClient, session: str) -> None:
    content = os.urandom(3_500_000)
    await client.write_file(session, "random", content)
    digest = hashlib.sha256()
    async for piece in await client.run_command(session, ["cat", "random"]):
        digest.update(piece.data)
    assert digest.digest() == hashlib.sha256(content).digest()


async def test_a_wait_reads_what_is_too_large_for_its_end(client: SandboxClient, session: str) -> None:
    command = "head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' y >&2; echo end"
    result = await client.run_command(session, command, WAIT)
    assert (len(result.stdout), len(result.stderr), result.truncated) == (1_000_004, 1_000_000, False)
    assert len(result.output) == 2_000_004


async def test_a_timeout_is_data_until_it_is_checked(client: SandboxClient, session: str) -> None:
    result = await client.run_command(session, "echo before; sleep 60", WAIT, timeout=0.2)
    assert (result.stdout, result.verdict.kind) == ("before\n", "timed-out")
    with pytest.raises(TimeoutError) as caught:
        result.check()
    assert isinstance(caught.value, errors.CommandTimeout)


@pytest.mark.parametrize("size", [0, 1000, 900_000])
async def test_standard_input_arrives_by_either_way(client: SandboxClient, session: str, size: int) -> None:
    content = os.urandom(size)
    expected = hashlib.sha256(content).hexdigest()
    waited = await client.run_command(session, ["sha256sum"], WAIT, stdin=content)
    stream = await client.run_command(session, ["sha256sum"], stdin=content)
    streamed = "".join([piece.output async for piece in stream])
    assert [output.split()[0] for output in (waited.stdout, streamed)] == [expected] * 2


async def test_a_loop_that_was_left_is_gone_on_with(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(session, "mkfifo go; echo one; read line < go; echo two")
    async for piece in stream:
        assert piece.output == "one\n"
        break
    assert (await client.check_status(session, stream.process_id)).state == "running"
    await client.run_command(session, "echo > go", WAIT)
    rest = [piece.output async for piece in stream]
    assert ("".join(rest), stream.exit_code) == ("two\n", 0)


async def test_any_client_finds_a_background_command(
    client: SandboxClient, session: str, server: Server
) -> None:
    process = await client.run_command(session, "echo started; exec sleep 60", BACKGROUND)
    async with SandboxClient(server.private_key, server.url) as other:
        found = other.get_process(session, process.process_id)
        async for piece in found.attach(offset=5):
            assert piece.output == "ed\n"
            break
        assert (await found.status()).state == "running"
        assert (await found.kill()).kind == "killed"
    assert (await process.wait()).kind == "killed"


async def test_a_later_loop_takes_over(client: SandboxClient, session: str) -> None:
    process = await client.run_command(session, "echo started; exec sleep 60", BACKGROUND)
    async with anyio.create_task_group() as tasks:
        reading = anyio.Event()

        async def read_first() -> None:
            with pytest.raises(errors.NotSupported):
                await read_on()

        async def read_on() -> None:
            async for _ in process.attach():
                reading.set()

        tasks.start_soon(read_first)
        await reading.wait()
        async for piece in process.attach():
            assert piece.output == "started\n"
            break
    await process.kill()


async def test_the_same_id_finds_the_first_start(client: SandboxClient, session: str) -> None:
    process_id = str(uuid4())
    for _ in range(2):
        result = await client.run_command(session, "echo x >> count; cat count", WAIT, process_id=process_id)
        assert (result.stdout, result.process_id) == ("x\n", process_id)
    with pytest.raises(errors.ExecutionConflict):
        await client.run_command(session, "other", WAIT, process_id=process_id)


@pytest.mark.parametrize("stage", ["at once", "while it runs"])
async def test_cancelling_a_wait_ends_its_command(client: SandboxClient, session: str, stage: str) -> None:
    process_id = str(uuid4())
    waiting = asyncio.ensure_future(
        client.run_command(session, "echo on; exec sleep 60", WAIT, process_id=process_id)
    )
    await asyncio.sleep(0)
    if stage == "while it runs":
        await started(client, session, process_id)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    try:
        status = await client.check_status(session, process_id)
    except errors.ExecutionNotFound:
        return  # it was cancelled before anything was sent
    assert status.verdict is not None
    assert status.verdict.kind == "killed"


async def started(client: SandboxClient, session: str, process_id: str) -> None:
    """Wait until a command has been started; each attempt is a round trip."""
    with anyio.fail_after(PATIENCE):
        while True:
            with contextlib.suppress(errors.ExecutionNotFound):
                await client.check_status(session, process_id)
                return


async def test_many_commands_run_at_once(client: SandboxClient, session: str) -> None:
    results = await asyncio.gather(
        *(client.run_command(session, f"echo {number}", WAIT) for number in range(150))
    )
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(150)]


async def test_a_stream_holds_the_producer_back(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(session, "yes | head -c 30000000; echo done >&2")
    count = 0
    async for piece in stream:
        count += len(piece.data)
    assert (count, stream.exit_code) == (30_000_005, 0)


async def test_kill_all_ends_what_runs(client: SandboxClient, session: str) -> None:
    processes = [await client.run_command(session, "exec sleep 60", BACKGROUND) for _ in range(2)]
    assert (await client.kill_all_processes(session)).killed == 2
    assert {(await process.wait()).kind for process in processes} == {"killed"}
    assert [each.state for each in await client.list_commands(session)] == ["ended", "ended"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"command": 7}, "command"),
        ({"command": [1]}, "command"),
        ({"command": "a\0b"}, "command"),
        ({"command": "\ud800"}, "command"),
        ({"command": "true", "timeout": -1}, "timeout"),
        ({"command": "true", "timeout": float("nan")}, "timeout"),
        ({"command": "true", "timeout": "soon"}, "timeout"),
        ({"command": "true", "mode": "loud"}, "mode"),
        ({"command": "true", "env": {"A=B": "x"}}, "env"),
        ({"command": "true", "env": {"A": 1}}, "env"),
        ({"command": "true", "env": [("A", "x")]}, "env"),
        ({"command": "true", "path": 7}, "path"),
        ({"command": "true", "stdin": 7}, "stdin"),
        ({"command": "true", "process_id": "1"}, "process_id"),
        ({"command": "true", "session_id": "a b"}, "session_id"),
    ],
)
async def test_wrong_arguments_are_named_before_anything_is_sent(
    server: Server, arguments: dict[str, object], field: str
) -> None:
    unconnected = SandboxClient(server.private_key, server.url)
    with pytest.raises(errors.InvalidArgument, match=f"^{field}: ") as caught:
        await unconnected.run_command(**({"session_id": "s"} | arguments))  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownMemberType] - wrong on purpose
    assert isinstance(caught.value, ValueError)


async def test_a_command_longer_than_linux_takes_is_refused(client: SandboxClient, session: str) -> None:
    with pytest.raises(errors.CommandTooLong) as caught:
        await client.run_command(session, "#" * 200_000, WAIT)
    assert caught.value.data["limit"] == 128 * 1024 - 1


async def test_refusals_are_typed(client: SandboxClient, session: str) -> None:
    with pytest.raises(errors.SessionNotFound):
        await client.run_command("unknown", "true", WAIT)
    with pytest.raises(errors.ProgramNotFound) as caught:
        await client.run_command(session, ["no-such-program"])
    assert "process_id" in caught.value.data
    with pytest.raises(errors.ExecutionNotFound):
        await client.check_status(session, str(uuid4()))
    with pytest.raises(errors.ExecutionNotFound):
        async for _ in client.attach(session, str(uuid4())):
            pass
