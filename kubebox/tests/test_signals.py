"""Signals: by name, to all that a command started or to itself alone."""

from typing import Any

import pytest

from kubebox import errors
from kubebox._results import BackgroundProcess, CommandStream
from kubebox._signals import NAMES
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.keys import new_private_key

BACKGROUND, WAIT = CommandMode.BACKGROUND, CommandMode.WAIT

FAMILY = """
trap 'echo leader' USR1
(trap 'echo child' USR1; echo ready; while :; do sleep 0.02; done) &
while :; do wait; done
"""
"""A command with a child; each says when it gets the signal."""


async def shows(stream: CommandStream, *words: str) -> None:
    """Read until all of these have been written."""
    missing = set(words)
    async for piece in stream:
        missing -= set(piece.output.split())
        if not missing:
            return
    raise AssertionError(f"never written: {missing}")


@pytest.mark.parametrize("name", ["SIGINT", "INT", "sigint", "int"])
async def test_a_signal_is_called_by_its_name(client: SandboxClient, session: str, name: str) -> None:
    process = await client.run_command(session, ["sleep", "600"], BACKGROUND)
    assert await process.signal(name) == 1
    verdict = await process.wait()
    assert (verdict.kind, verdict.signal, verdict.exit_code) == ("signalled", "SIGINT", -2)


async def test_a_signal_goes_to_the_tree_or_to_the_leader_alone(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(session, FAMILY)
    await shows(stream, "ready")
    assert await client.send_signal(session, stream.process_id, "USR1", scope="leader") == 1
    await shows(stream, "leader")
    assert await stream.signal("USR1") >= 2
    await shows(stream, "leader", "child")
    await stream.kill()


async def test_a_stopped_command_goes_on_when_it_is_told_to(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(
        session, "trap 'echo here; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    )
    await shows(stream, "ready")
    await stream.signal("STOP")
    await stream.signal("TERM", scope="leader")
    assert (await stream.status()).state == "running"
    await stream.signal("CONT")
    await shows(stream, "here")


async def test_every_signal_that_we_name_the_sandbox_knows(client: SandboxClient, session: str) -> None:
    ended = await client.run_command(session, "true", WAIT)
    assert [await client.send_signal(session, ended.process_id, name) for name in NAMES] == [0] * len(NAMES)


@pytest.mark.parametrize("name", ["", "SIG", "9", "NONSENSE", "SIGSIGINT", "INT ", 9, None])
async def test_a_name_that_is_none_is_refused_before_anything_is_sent(name: Any) -> None:
    unconnected = SandboxClient(new_private_key(), "http://127.0.0.1:1")
    process = unconnected.get_process("session", "00000000-0000-4000-8000-000000000000")
    with pytest.raises(errors.InvalidArgument, match=r"^signal: "):
        await process.signal(name)


async def test_a_scope_that_is_none_is_refused(client: SandboxClient, session: str) -> None:
    process = await client.run_command(session, ["sleep", "600"], BACKGROUND)
    scope: Any = "others"
    with pytest.raises(errors.InvalidArgument, match=r"^scope: "):
        await process.signal("INT", scope=scope)
    await process.kill()


async def test_of_what_has_ended_only_the_leftovers_get_signals(client: SandboxClient, session: str) -> None:
    result = await client.run_command(session, "sleep 600 & echo left", WAIT)
    with pytest.raises(errors.ExecutionEnded):
        await client.send_signal(session, result.process_id, "INT", scope="leader")
    assert await client.send_signal(session, result.process_id, "KILL") == 1


async def test_what_was_never_started_gets_none(client: SandboxClient, session: str) -> None:
    process = BackgroundProcess(client.executions, session, "00000000-0000-4000-8000-000000000000")
    with pytest.raises(errors.ExecutionNotFound):
        await process.signal("INT")


async def test_listed_commands_say_what_they_are_and_what_they_took(
    client: SandboxClient, session: str
) -> None:
    await client.run_command(session, "head -c 3000000 /dev/zero | sha256sum", WAIT)
    running = await client.run_command(session, ["sleep", "600"], BACKGROUND)
    first, second = await client.list_commands(session)
    assert (first.command, first.kind) == ("head -c 3000000 /dev/zero | sha256sum", "command")
    assert first.cpu_seconds is not None
    assert first.cpu_seconds > 0
    assert first.peak_memory_bytes is not None
    assert first.peak_memory_bytes > 100_000
    assert (second.command, second.cpu_seconds) == ("sleep 600", None)
    await running.kill()
