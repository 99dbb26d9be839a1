"""B4: 32 times `sleep 0.1` at once, and how quickly the server answers for its health meanwhile."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks import raw
from benchmarks.measure import Contestant, Operation, once, timed
from benchmarks.peers.swe_rex import HEALTH
from benchmarks.row import Row, at_least, at_most, below
from benchmarks.series import Measured, Series, percentile
from benchmarks.stage import KUBEBOX, RAW, SWE_REX, Stage
from kubebox import CommandMode, Sandbox

AT_ONCE: Final = 32
SLEEP: Final = ["sleep", "0.1"]
MOST_SECONDS: Final = 0.20
MOST_HEALTH_SECONDS: Final = 0.020
LEAST_OF_SWE_REX: Final = 17.0
LEAST_HEALTH_OF_SWE_REX: Final = 70.0
LINE_BYTES: Final = 1024 * 1024
"""Bytes of the longest line of answers: a thousand of 25 bytes are a twentieth of that."""


async def many_at_once(stage: Stage) -> list[Row]:
    """All of them, in turn."""
    health: dict[str, Series] = {}
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox.create("local"))

        async def ours() -> None:
            result = await sandbox.client.run_command(sandbox.session_id, SLEEP, CommandMode.WAIT)
            result.check()

        asker = await stack.enter_async_context(ask_health(f"{sandbox.client.url}/healthz", {}))
        contestants = [
            Contestant(
                KUBEBOX,
                once(_watched(lambda: timed(_many(ours)), asker, health.setdefault(KUBEBOX, Series()))),
            ),
            Contestant(RAW, once(lambda: timed(_many(lambda: raw.run(*SLEEP))))),
        ]
        if (rex := stage.rex) is not None:
            asker = await stack.enter_async_context(ask_health(rex.url + HEALTH, rex.headers))
            theirs = _watched(
                lambda: rex.execute(SLEEP, AT_ONCE), asker, health.setdefault(SWE_REX, Series())
            )
            contestants.append(Contestant(SWE_REX, once(theirs)))
        measured = await stage.interleave("B4", contestants, repeats=1)
    for series in health.values():
        del series.rounds[0]  # of the turn that is not counted
    worst = Measured(health, left_out=stage.left_out)
    stage.kept["B4 health"] = worst
    return [
        below("B4 32 x `sleep 0.1` at once", measured.series[KUBEBOX], MOST_SECONDS),
        at_most("B4 the same / raw asyncio subprocess", measured, KUBEBOX, RAW),
        at_least("B4 the same / SWE-ReX", measured, SWE_REX, KUBEBOX, LEAST_OF_SWE_REX),
        below("B4 health meanwhile, p99", health[KUBEBOX], MOST_HEALTH_SECONDS),
        at_least("B4 health p99 / SWE-ReX", worst, SWE_REX, KUBEBOX, LEAST_HEALTH_OF_SWE_REX),
    ]


class Asker:
    """A process that asks for a server's health."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @asynccontextmanager
    async def asking(self, answers: list[float]) -> AsyncGenerator[None]:
        """Ask while the block lasts, and then add what each answer took, seconds."""
        await self._say()
        try:
            yield
        finally:
            await self._say()
            assert self._process.stdout is not None
            answers.extend(json.loads(await self._process.stdout.readline()))

    async def _say(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def ask_health(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Asker]:
    """Have a process that asks.

    Args:
        url: What to ask.
        headers: What shows that it may.
    """
    script = str(Path(__file__).with_name("health.py"))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, url, json.dumps(dict(headers)), stdin=pipe, stdout=pipe, limit=LINE_BYTES
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield Asker(process)
    finally:
        await process.communicate(b"")


def _watched(work: Operation, asker: Asker, health: Series) -> Operation:
    async def operation() -> float:
        answers: list[float] = []
        try:
            async with asker.asking(answers):
                return await work()
        finally:
            # A round's figure is its 99th percentile: a server that is blocked all the time answers once.
            health.rounds.append([percentile(answers, 0.99)])

    return operation


async def _many(one: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(_await(one))


async def _await(one: Callable[[], Awaitable[object]]) -> None:
    await one()
