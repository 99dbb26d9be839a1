"""Shells whose server is killed at an exact point: real shells, real pipes, one server's objects after the other's."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.shells import ShellResult
from kubebox_sandbox.executions import script, written
from kubebox_sandbox.executions.pipes import reopened
from kubebox_sandbox.executions.record import Beginning
from kubebox_sandbox.executions.shell import Shell, TakesNoMore
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.watch import Watch

from .conftest import PATIENCE

COUNT = "n=$((n + 1)); echo $n"
LONG = f': "{"it" * 900}{chr(39) * 3000}{"€" * 3000}"; {COUNT}'
"""A command of several pieces, whose quotes and characters are of several bytes."""

BEFORE_SENT = "sh -c 'exit 3'"
NEVER = 2**53 - 1


class Killed(Exception):
    """The server is killed here."""


class DyingInput(StandardInput):
    """Standard input whose server is killed after so many writes."""

    writes = 10**9

    async def write(self, offset: int, data: bytes, *, close: bool = False) -> int:
        if not self.writes:
            raise Killed
        self.writes -= 1
        return await super().write(offset, data, close=close)


class Server:
    """What a server has of one shell.

    Attributes:
        dies_at: Says at which record the server is killed: as it is about to be written down, or right after that.
        died: Set then.
    """

    def __init__(self, world: "World") -> None:
        self.world = world
        self.watch = Watch()
        self.stdin = DyingInput(self.watch, lambda: None, lambda taken, is_all: None)
        self.shell = Shell(self.watch, self.stdin, world.collect, self._record)
        self.dies_before: Callable[[Shell], bool] = lambda shell: False
        self.dies_after: Callable[[Shell], bool] = lambda shell: False
        self.died = asyncio.Event()

    def _record(self, shell: Shell) -> None:
        self._die(self.dies_before(shell))
        self.world.lines.append(
            written.shell_ran(self.world.beginning.execution_id, shell.number, shell.begins, shell.result)
        )
        self._die(self.dies_after(shell))

    def _die(self, now: bool) -> None:
        if now:
            self.died.set()
            raise Killed

    def gone(self) -> None:
        """What the kernel does with what a killed process had."""
        self.shell.close()
        self.stdin.close()
        self.watch.close()


class World:
    """What outlives a server: the shell, its pipes, the ledger.

    Args:
        program: The shell.
        folder: Where it runs.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self.beginning = Beginning(
            uuid4(),
            "main",
            CommandMode.BACKGROUND,
            "",
            "",
            "shell",
            time.time(),
            time.monotonic(),
            None,
            None,
            (),
        )
        self.lines: list[dict[str, Any]] = [written.reserved(self.beginning)]
        self.output = folder / "output"
        self.server = Server(self)
        reading, kept_stdin = self.server.stdin.open()
        writing, kept_answers = self.server.shell.open()
        self.kept = kept_stdin, kept_answers
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "-c", f"exec {program} -s 3>&{writing}"],
                stdin=reading, stdout=output, stderr=output, pass_fds=[writing], cwd=folder,
            )  # fmt: skip
        os.close(reading)
        os.close(writing)
        self.server.shell.start()

    def collect(self) -> int:
        return self.output.stat().st_size

    def next(self, *, rewritten: bool = False) -> Shell:
        """The next server, which knows what was written down."""
        self.server.gone()
        known = written.read(self.lines)
        if rewritten:
            self.lines = list(written.entries(known))
            known = written.read(self.lines)
        self.server = server = Server(self)
        this = known.known[self.beginning.execution_id]
        if this.shell is not None:
            server.shell.recall(*this.shell, this.result, this.before)
        server.stdin.adopt(reopened(self.kept[0], os.O_WRONLY))
        server.shell.adopt(reopened(self.kept[1], os.O_RDONLY))
        server.shell.start()
        return server.shell

    def works(self) -> bool:
        """Whether the shell does anything but wait."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S"

    def close(self) -> None:
        self.server.gone()
        self.process.kill()
        self.process.wait(PATIENCE)
        for descriptor in self.kept:
            os.close(descriptor)

    def said(self, result: ShellResult) -> str:
        return self.output.read_bytes()[result.start_offset : result.end_offset].decode()


@pytest.fixture(params=["bash", "dash", "bash --posix"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    asyncio.get_running_loop().set_exception_handler(_not_killed)
    world = World(request.param, tmp_path)
    with anyio.fail_after(PATIENCE):
        yield world
    world.close()


def _not_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


async def idle(world: World) -> None:
    """Wait until the shell has done what comes after a code."""
    while world.works():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)


async def counts(world: World, number: int, expected: int) -> None:
    """Run a command that counts, and see that the shell has counted so far."""
    result = await world.server.shell.run(number, COUNT)
    assert (world.said(result), result.exit_code) == (f"{expected}\n", 0)
    await idle(world)


@pytest.mark.parametrize("rewritten", [False, True])
async def test_what_was_written_down_and_never_sent_runs_once(world: World, rewritten: bool) -> None:
    await counts(world, 1, 1)
    world.server.dies_after = lambda shell: shell.number == 2
    with pytest.raises(Killed):
        await world.server.shell.run(2, COUNT)
    world.next(rewritten=rewritten)
    await counts(world, 2, 2)
    await counts(world, 2, 2)
    await counts(world, 3, 3)


async def test_a_first_command_that_was_never_sent_runs_once(world: World) -> None:
    world.server.dies_after = lambda shell: True
    with pytest.raises(Killed):
        await world.server.shell.run(1, COUNT)
    world.next()
    await counts(world, 1, 1)


async def test_a_shell_that_was_never_given_anything_goes_on(world: World) -> None:
    world.next()
    world.next()
    await counts(world, 1, 1)


async def test_all_who_wait_for_what_was_never_sent_get_its_end(world: World) -> None:
    world.server.dies_after = lambda shell: True
    with pytest.raises(Killed):
        await world.server.shell.run(1, COUNT)
    shell = world.next()
    results = await asyncio.gather(*(shell.run(1, COUNT) for _ in range(5)))
    assert {result.model_dump_json() for result in results} == {results[0].model_dump_json()}
    await counts(world, 2, 2)


@pytest.mark.parametrize("rewritten", [False, True])
async def test_after_what_was_never_sent_all_is_as_before(world: World, rewritten: bool) -> None:
    before = await world.server.shell.run(1, BEFORE_SENT)
    world.server.dies_after = lambda shell: shell.number == 2
    with pytest.raises(Killed):
        await world.server.shell.run(2, "touch wrong")
    shell = world.next(rewritten=rewritten)
    with pytest.raises(Refused) as refused:  # Nothing runs, and the number is free.
        await shell.run(NEVER, ":")
    assert (refused.value.code, refused.value.data["next"]) == (ErrorCode.EXECUTION_CONFLICT, 2)
    assert await shell.run(1, BEFORE_SENT) == before
    shell = world.next(rewritten=rewritten)
    result = await shell.run(2, "echo $?; ls")
    assert world.said(result) == "3\noutput\n"


PIECES = len(list(script.command(2, LONG, script.WORDS[0], 0)))


@pytest.mark.parametrize("pieces", range(PIECES + 1))
async def test_what_was_sent_in_part_runs_once(world: World, pieces: int) -> None:
    assert PIECES > 3
    await counts(world, 1, 1)
    world.server.stdin.writes = pieces
    running = asyncio.ensure_future(world.server.shell.run(2, LONG))
    if pieces < PIECES:
        with pytest.raises(Killed):
            await running
    else:
        await world.server.stdin.write(world.server.stdin.offset, b"", close=False)
    shell = world.next()
    running.cancel()
    result = await shell.run(2, LONG)
    assert (world.said(result), result.exit_code) == ("2\n", 0)
    await counts(world, 3, 3)


async def test_what_was_sent_in_part_does_nothing_where_failures_end_the_shell(world: World) -> None:
    await world.server.shell.run(1, "set -e; n=1")
    await idle(world)  # Of an answer that was read in part nobody could say to what it was one.
    world.server.stdin.writes = 2
    with pytest.raises(Killed):
        await world.server.shell.run(2, LONG)
    world.next()
    await counts(world, 2, 2)


@pytest.mark.parametrize("servers", [1, 2])
async def test_what_runs_goes_on_under_the_next_server(world: World, servers: int) -> None:
    text = f"mkfifo go; echo begun; read line < go; {COUNT}; (exit 7)"
    running = asyncio.ensure_future(world.server.shell.run(1, text))
    while not world.collect():  # noqa: ASYNC110 - the shell tells nobody else
        await asyncio.sleep(0.01)
    for _ in range(servers):
        world.next()
    shell = world.server.shell
    running.cancel()
    with pytest.raises(Refused) as refused:
        await shell.run(NEVER, ":")
    assert (refused.value.code, refused.value.data["number"]) == (ErrorCode.SHELL_BUSY, 1)
    (world.output.parent / "go").write_text("\n")
    result = await shell.run(1, text)
    assert (world.said(result), result.exit_code) == ("begun\n1\n", 7)
    await counts(world, 2, 2)


async def test_what_has_ended_meanwhile_is_told(world: World) -> None:
    running = asyncio.ensure_future(world.server.shell.run(1, f"{COUNT}; echo > ended; (exit 7)"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shell = world.next()
    running.cancel()
    result = await shell.run(1, "whatever it was")
    assert (world.said(result), result.exit_code) == ("1\n", 7)
    await counts(world, 2, 2)


async def test_a_code_that_was_heard_and_not_written_down_is_lost_and_nothing_runs_twice(
    world: World,
) -> None:
    world.server.dies_before = lambda shell: shell.result is not None
    running = asyncio.ensure_future(world.server.shell.run(1, COUNT))
    await world.server.died.wait()
    shell = world.next()
    running.cancel()
    result = await shell.run(1, COUNT)
    assert (result.exit_code, result.ended, result.timed_out) == (None, None, False)
    assert await shell.run(1, COUNT) == result
    await counts(world, 2, 2)


@pytest.mark.parametrize("servers", [1, 2, 3])
async def test_a_code_that_a_later_server_heard_and_did_not_write_down_is_lost_too(
    world: World, servers: int
) -> None:
    running = asyncio.ensure_future(world.server.shell.run(1, f"mkfifo go; read line < go; {COUNT}"))
    while not (world.output.parent / "go").exists():  # noqa: ASYNC110 - the shell tells nobody else
        await asyncio.sleep(0.01)
    for _ in range(servers):
        world.next()
        world.server.dies_before = lambda shell: shell.result is not None
        for _ in range(5):  # It has asked by then.
            await asyncio.sleep(0)
    running.cancel()
    (world.output.parent / "go").write_text("\n")
    await world.server.died.wait()
    result = await world.next().run(1, "whatever it was")
    assert result.exit_code is None
    await counts(world, 2, 2)


@pytest.mark.parametrize("turns", range(6))
async def test_servers_that_are_killed_as_they_ask_run_nothing_twice(world: World, turns: int) -> None:
    await counts(world, 1, 1)
    world.server.dies_after = lambda shell: shell.number == 2
    with pytest.raises(Killed):
        await world.server.shell.run(2, COUNT)
    for _ in range(3):
        world.next()
        for _ in range(turns):
            await asyncio.sleep(0)
    result = await world.server.shell.run(2, COUNT)
    # Where an answer comes in several pieces, one of these servers may have read the beginning of one: then nobody knows.
    ran = result.exit_code is not None
    assert world.said(result) == ("2\n" if ran else "")
    await counts(world, 3, 2 + ran)


async def test_a_name_that_was_taken_is_noticed_by_the_next_server(world: World) -> None:
    await world.server.shell.run(1, "n=1; command() { echo fooled; }")
    world.next()
    await counts(world, 2, 2)
    world.server.dies_after = lambda shell: shell.number == 3
    with pytest.raises(Killed):
        await world.server.shell.run(3, COUNT)
    world.next()
    await counts(world, 3, 3)


async def test_a_shell_that_takes_nothing_any_more_is_noticed_by_the_next_server(world: World) -> None:
    running = asyncio.ensure_future(world.server.shell.run(1, "set -n"))
    await asyncio.sleep(0)
    shell = world.next()
    running.cancel()
    with pytest.raises(TakesNoMore):
        await shell.run(1, "set -n")
