"""`Sandbox.map`: a fresh sandbox for each item, whatever becomes of it, and none is left behind."""

# ruff: noqa: ASYNC240 - looking at the disk between two awaits holds up nobody here

import asyncio
import gc
import io
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import anyio
import pytest
from rich.console import Console

from kubebox import MapProgress, Sandbox, errors, progress
from kubebox._creation import CreateOptions
from kubebox._transience import is_transient
from kubebox_protocol.verdicts import Verdict

from .local.boxes import Witness, command_of, descendants, supervisors, wait_until_gone

PATIENCE = 60.0
"""Seconds that a handful of sandboxes may take on a busy machine."""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the sandboxes of a test lie. It must be empty when the test is over."""
    with tempfile.TemporaryDirectory(prefix="kubebox-test-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)
        assert list(Path(name).iterdir()) == []
        assert supervisors() == []


async def double(sandbox: Sandbox, item: int) -> int:
    result = await sandbox.run(["expr", str(item), "*", "2"])
    return int(result.check().stdout)


def end_its_workspace(sandbox: Sandbox) -> None:
    """A real death: what is PID 1 of the workspace is killed, and all of it with that."""
    uid = sandbox.client.info.sandbox_uid.encode()
    for supervisor in supervisors():
        processes = descendants(supervisor)
        if any(uid in environment(one) for one in processes):
            for one in processes:
                if b"line.sock" in command_of(one):
                    os.kill(one, signal.SIGKILL)


def environment(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return b""


async def test_each_item_has_a_sandbox_of_its_own_and_an_outcome(place: Path) -> None:
    ids: set[str] = set()

    async def fn(sandbox: Sandbox, item: int) -> int:
        ids.add(sandbox.id)
        assert not await sandbox.files.exists("mark")
        await sandbox.files.write("mark", "was here")
        return await double(sandbox, item)

    with anyio.fail_after(PATIENCE):
        outcomes = [one async for one in Sandbox.map(fn, [4, 5, 6], concurrency=2, where="local")]
    assert len(ids) == 3
    assert sorted((one.index, one.item, one.check(), one.attempts) for one in outcomes) == [
        (0, 4, 8, 1),
        (1, 5, 10, 1),
        (2, 6, 12, 1),
    ]


async def test_outcomes_come_as_they_are_there_and_never_more_at_once_than_asked(place: Path) -> None:
    first_may_end = asyncio.Event()
    running, most = 0, 0

    async def fn(sandbox: Sandbox, item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if item == 0:
            await first_may_end.wait()
        running -= 1

    seen: list[int] = []
    with anyio.fail_after(PATIENCE):
        async for outcome in Sandbox.map(fn, range(4), concurrency=2, where="local"):
            outcome.check()
            seen.append(outcome.index)
            if len(seen) == 3:
                first_may_end.set()
    assert most == 2
    assert (seen[-1], sorted(seen)) == (0, [0, 1, 2, 3])


async def test_a_sandbox_that_dies_is_replaced_and_its_item_tried_again(place: Path) -> None:
    tried: list[str] = []
    counts: list[MapProgress] = []

    async def fn(sandbox: Sandbox, item: str) -> str:
        tried.append(sandbox.id)
        if len(tried) == 1:
            end_its_workspace(sandbox)
        return (await sandbox.run(["echo", item])).stdout

    with anyio.fail_after(PATIENCE):
        (outcome,) = [one async for one in Sandbox.map(fn, ["x"], where="local", on_progress=counts.append)]
    assert (outcome.check(), outcome.attempts, len(set(tried))) == ("x\n", 2, 2)
    assert counts[-1] == MapProgress(total=1, started=1, done=1, retried=1)


async def test_a_place_that_goes_on_failing_is_the_items_error(place: Path) -> None:
    async def fn(sandbox: Sandbox, item: int) -> None:
        end_its_workspace(sandbox)
        await sandbox.run("true")

    with anyio.fail_after(PATIENCE):
        (outcome,) = [one async for one in Sandbox.map(fn, [1], retries=1, where="local")]
    assert (outcome.value, outcome.attempts) == (None, 2)
    assert isinstance(outcome.error, errors.SandboxLost)
    with pytest.raises(errors.SandboxLost):
        outcome.check()


async def test_what_the_function_raises_and_what_commands_say_is_final(place: Path) -> None:
    async def fn(sandbox: Sandbox, item: str) -> int | None:
        if item == "raises":
            raise ZeroDivisionError("mine")
        if item == "gives up":
            async with asyncio.timeout(0.05):
                await sandbox.run("sleep 30")
        if item == "ends its own sandbox":
            await sandbox.kill()
            await sandbox.run("true")
        return (await sandbox.run("kill -9 $$" if item == "dies" else "exit 7")).exit_code

    items = ["raises", "gives up", "ends its own sandbox", "dies", "fails"]
    with anyio.fail_after(PATIENCE):
        found = {one.item: one async for one in Sandbox.map(fn, items, concurrency=3, where="local")}
    assert {one.attempts for one in found.values()} == {1}
    assert isinstance(found["raises"].error, ZeroDivisionError)
    assert isinstance(found["gives up"].error, TimeoutError)
    assert isinstance(found["ends its own sandbox"].error, errors.NotConnected)
    assert (found["dies"].value, found["fails"].value) == (-9, 7)


async def test_a_cancellation_half_way_leaves_nothing(place: Path) -> None:
    all_there = asyncio.Event()
    there = 0

    async def fn(sandbox: Sandbox, item: int) -> None:
        nonlocal there
        there += 1
        if there == 2:
            all_there.set()
        await sandbox.run("exec sleep 1000")

    async def use() -> None:
        async for _ in Sandbox.map(fn, range(10), concurrency=2, where="local"):
            raise AssertionError

    with anyio.fail_after(PATIENCE):
        using = asyncio.ensure_future(use())
        await all_there.wait()
        witness = Witness([one for each in supervisors() for one in (each, *descendants(each))])
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
    assert list(place.iterdir()) == []
    assert witness.all_end()


async def test_leaving_early_leaves_nothing(place: Path) -> None:
    async def fn(sandbox: Sandbox, item: int) -> None:
        if item:
            await sandbox.run("exec sleep 1000")

    with anyio.fail_after(PATIENCE):
        async with Sandbox.map(fn, range(10), concurrency=2, where="local") as outcomes:
            assert (await anext(outcomes)).index == 0
        assert list(place.iterdir()) == []


async def test_leaving_early_without_a_context_manager_leaves_nothing_either(place: Path) -> None:
    async def fn(sandbox: Sandbox, item: int) -> None:
        if item:
            await sandbox.run("exec sleep 1000")

    with anyio.fail_after(PATIENCE):
        async for outcome in Sandbox.map(fn, range(10), concurrency=2, where="local"):
            assert outcome.index == 0
            break
        gc.collect()
        crew = [task for task in asyncio.all_tasks() if task.get_name() == "kubebox: map"]
        await asyncio.wait(crew)


async def test_an_interrupt_leaves_nothing(place: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, sys, tempfile
        from kubebox import Sandbox
        tempfile.tempdir = sys.argv[1]

        async def fn(sandbox, item):
            print("there", flush=True)
            await sandbox.run("exec sleep 1000")

        async def main():
            async for _ in Sandbox.map(fn, range(9), concurrency=2, where="local"):
                pass

        asyncio.run(main())
    """)
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
        [sys.executable, "-c", program, str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(2)] == ["there\n"] * 2
        folders = list(place.iterdir())
        witness = Witness(descendants(process.pid))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) != 0
        assert "KeyboardInterrupt" in process.stderr.read()
    assert witness.all_end()
    assert all(wait_until_gone(folder) for folder in folders)


async def test_items_are_taken_as_sandboxes_become_free(place: Path) -> None:
    """However many there are, and though nobody reads: what works, and as many outcomes again."""
    taken = 0
    all_done = asyncio.Event()

    async def endless() -> AsyncGenerator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async def fn(sandbox: Sandbox, item: int) -> int:
        if item == 4:
            all_done.set()
        return item

    with anyio.fail_after(PATIENCE):
        async with Sandbox.map(fn, endless(), concurrency=2, where="local") as outcomes:
            assert (await anext(outcomes)).check() in (1, 2)
            await all_done.wait()
            assert taken <= 5
            seen = {(await anext(outcomes)).check() for _ in range(4)}
            assert len(seen) == 4


async def test_each_item_may_say_what_its_sandbox_shall_be(place: Path) -> None:
    def options(item: str) -> CreateOptions:
        if item == "an image":
            return {"image": "python:3.13"}
        return {"env": {"COLOUR": item}, "metadata": {"item": item}}

    async def fn(sandbox: Sandbox, item: str) -> tuple[str, str]:
        return (await sandbox.run("printf %s $COLOUR")).stdout, sandbox.metadata["item"]

    with anyio.fail_after(PATIENCE):
        items = ["red", "blue", "an image"]
        outcomes = Sandbox.map(fn, items, options=options, where="local", env={"COLOUR": "none"})
        found = {one.item: one async for one in outcomes}
    assert [found[item].check() for item in ("red", "blue")] == [("red", "red"), ("blue", "blue")]
    assert isinstance(found["an image"].error, errors.NotSupported)  # local sandboxes have none


@pytest.mark.parametrize("what", ["items", "progress"])
async def test_what_is_wrong_with_the_whole_ends_it(place: Path, what: str) -> None:
    def items() -> Iterator[int]:
        yield 1
        if what == "items":
            raise ZeroDivisionError

    def on_progress(progress: MapProgress) -> None:
        if what == "progress" and progress.finished:
            raise ZeroDivisionError

    outcomes = Sandbox.map(double, items(), where="local", on_progress=on_progress)
    with anyio.fail_after(PATIENCE), pytest.raises(ZeroDivisionError):
        _ = [one async for one in outcomes]


@pytest.mark.parametrize("given", [{"concurrency": 0}, {"retries": -1}, {"concurrency": True}])
def test_numbers_that_are_none_are_refused_at_once(given: dict[str, int]) -> None:
    with pytest.raises(errors.InvalidArgument, match=next(iter(given))):
        Sandbox.map(double, [1], **given)  # pyright: ignore[reportArgumentType] - one of them is an int


async def test_what_has_no_items_and_where_there_is_one_sandbox_alone_is_refused() -> None:
    with pytest.raises(errors.NotSupported, match="one sandbox"):
        await anext(Sandbox.map(double, [1], where="http://127.0.0.1:1"))
    with pytest.raises(errors.InvalidArgument, match="items"):
        await anext(Sandbox.map(double, 7, where="local"))  # pyright: ignore[reportArgumentType] - the error


async def test_no_items_are_no_outcomes(place: Path) -> None:
    assert [one async for one in Sandbox.map(double, [], where="local")] == []


async def test_a_bar_shows_how_far_it_has_come(place: Path) -> None:
    shown = io.StringIO()
    with (
        anyio.fail_after(PATIENCE),
        progress.bar("tasks", console=Console(file=shown, force_terminal=True, width=80)) as bar,
    ):
        async for outcome in Sandbox.map(double, [1, 2], where="local", on_progress=bar):
            outcome.check()
    assert "tasks" in shown.getvalue()
    assert "2/2" in shown.getvalue()


def verdict(kind: str) -> Verdict:
    return Verdict(kind=kind, message=kind)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (errors.SandboxLost("x"), True),
        (errors.SandboxLost("x", verdict=verdict("node-lost")), True),
        (errors.SandboxLost("x", verdict=verdict("lifetime-over")), False),
        (errors.SandboxLost("x", verdict=verdict("destroyed")), False),
        (errors.PodNotReady("x"), True),
        (errors.PodConflict("x"), False),
        (errors.PodFailed("x", cause="workspace-failing"), True),
        (errors.PodFailed("x", cause="configuration"), False),
        (errors.ImageUnavailable("x"), False),
        (errors.ClusterError("x"), True),
        (errors.ConnectionLost("x"), True),
        (errors.NotConnected("x"), False),
        (errors.ExecutionUnknown("x"), True),
        (errors.ClusterUnreachable("x", cause="refused"), True),
        (errors.ClusterUnreachable("x", cause="tls"), False),
        (errors.ClusterRefused("x", status=503, reason=""), True),
        (errors.ClusterRefused("x", status=409, reason="Conflict"), False),
        (errors.ClusterForbidden("x"), False),
        (errors.LocalUnavailable("x"), False),
        (errors.InvalidArgument("x"), False),
        (errors.SandboxFileNotFound("x"), False),
        (errors.ServerError("x"), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_which_errors_another_try_may_be_spared(error: errors.KubeboxError, transient: bool) -> None:
    assert error.transient is transient
    assert is_transient(ExceptionGroup("several", [error])) is transient
    assert not is_transient(ExceptionGroup("several", [error, ValueError()]))
