"""B12: killing a tree of 200 processes, a third of which left by `setsid` and another by a double fork."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable
from typing import Final

from benchmarks import processes
from benchmarks.measure import Contestant, once
from benchmarks.row import Row, at_most, below
from benchmarks.stage import KUBEBOX, RAW, Stage
from kubebox import CommandMode, Sandbox

SLEEPERS: Final = 199
"""And the shell that starts them."""

MOST_SECONDS: Final = 0.100
LOOK_SECONDS: Final = 0.001
PATIENCE_SECONDS: Final = 20.0
"""Seconds until a tree stands, or is given up as not killed."""

_numbers = itertools.count(os.getpid() * 100_000)


async def kill_tree(stage: Stage) -> list[Row]:
    """Ours, and a kill of each process by its known id, in turn."""
    async with Sandbox.create("local") as sandbox:
        contestants = [
            Contestant(KUBEBOX, once(lambda: _ours(sandbox))),
            Contestant(RAW, once(_raw)),
        ]
        measured = await stage.interleave("B12 kill", contestants, repeats=stage.effort.kills)
    series = measured.series[KUBEBOX]
    return [
        below("B12 kill a tree of 200 processes: gone, p99", series, MOST_SECONDS, share=0.99),
        at_most("B12 the same / a signal to each known id", measured, KUBEBOX, RAW),
    ]


async def _ours(sandbox: Sandbox) -> float:
    sleeper = _sleeper()
    process = await sandbox.client.run_command(
        sandbox.session_id, ["bash", "-c", _script(sleeper)], CommandMode.BACKGROUND
    )
    try:
        await _standing(sleeper)
    finally:
        started = time.perf_counter()
        await process.kill(grace=0)
    return await _gone(sleeper, started)


async def _raw() -> float:
    sleeper = _sleeper()
    shell = await asyncio.create_subprocess_exec("bash", "-c", _script(sleeper))
    try:
        await _standing(sleeper)
    finally:
        tree = [shell.pid, *processes.with_arguments(sleeper)]
        started = time.perf_counter()
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await shell.wait()
    return await _gone(sleeper, started)


def _sleeper() -> list[str]:
    """A command that bears its own mark: how long it would sleep."""
    return ["sleep", f"1000.{next(_numbers)}"]


def _script(sleeper: list[str]) -> str:
    command = " ".join(sleeper)
    third = SLEEPERS // 3
    loop = f"for i in $(seq {third}); do {command} & setsid {command} & (setsid {command} &); done"
    return f"{loop}; for i in $(seq {SLEEPERS - 3 * third}); do {command} & done; wait"


async def _standing(sleeper: list[str]) -> None:
    await _until(lambda: len(processes.with_arguments(sleeper)) == SLEEPERS)


async def _gone(sleeper: list[str], started: float) -> float:
    """Seconds from the kill until no process is left."""
    await _until(lambda: not processes.with_arguments(sleeper))
    return time.perf_counter() - started


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - /proc tells nobody when a process appears or goes
            await asyncio.sleep(LOOK_SECONDS)
