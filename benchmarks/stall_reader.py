"""B12: `yes`, and a reader that does not read: what the server holds, and what its neighbours notice."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Final

from benchmarks import processes
from benchmarks.measure import Operation, attempt
from benchmarks.row import Row, failed, multiple, success
from benchmarks.row import time as seconds_text
from benchmarks.run_true import runs_true
from benchmarks.series import Measured, Series, percentile, ratio_of
from benchmarks.stage import Stage
from kubebox import Sandbox, SandboxClient

MEBIBYTE: Final = 1024**2
MOST_GROWTH: Final = 16 * MEBIBYTE
MOST_OF_QUIET: Final = 2.0
LOOK_SECONDS: Final = 0.05
"""Seconds between two looks at the server's memory."""


async def stall_reader(stage: Stage) -> list[Row]:
    """A quiet time and a stalled one in turn, in a new sandbox: the memory of an old server would hide the growth."""
    seconds = stage.effort.stall_seconds
    quiet, stalled = Series(), Series()
    grown_quiet: list[int] = []
    grown: list[int] = []
    async with Sandbox.create("local") as sandbox, SandboxClient(url=sandbox.client.url) as other:
        server = processes.server_of_only_sandbox()
        neighbour = runs_true(other, sandbox.session_id)
        await _ask(neighbour, Series(), seconds)  # what any use of a server makes it hold
        for _ in range(stage.effort.rounds):
            grown_quiet.append(await _growth_during(_ask(neighbour, quiet, seconds), server))
            grown.append(await _growth_during(_stall(sandbox, _ask(neighbour, stalled, seconds)), server))
    stage.kept["B12 neighbours"] = Measured({"quiet": quiet, "stalled": stalled})
    return [_memory(max(grown), max(grown_quiet), seconds), _neighbours(quiet, stalled)]


async def _stall(sandbox: Sandbox, meanwhile: Awaitable[None]) -> None:
    """Have a reader stall while something goes on."""
    stream = await sandbox.stream(["yes"])
    async with aclosing(aiter(stream)) as pieces:
        await anext(pieces)
        await meanwhile
    await sandbox.client.get_process(sandbox.session_id, stream.process_id).kill(grace=0)


async def _growth_during(work: Awaitable[None], server: int) -> int:
    """By how many bytes more than before the server held at most while something went on."""
    most = before = processes.resident_bytes(server)

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, processes.resident_bytes(server))
            await asyncio.sleep(LOOK_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        await work
    finally:
        watching.cancel()
    return most - before


async def _ask(neighbour: Operation, series: Series, seconds: float) -> None:
    """Run one command after another for so long: a round of its own."""
    series.rounds.append([])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        series.add([await attempt(neighbour)])


def _memory(growth: int, in_quiet: int, seconds: float) -> Row:
    figure = (
        f"{growth / MEBIBYTE:.1f} MiB at most in {seconds:g} s of it, "
        f"{in_quiet / MEBIBYTE:.1f} MiB in as long a time of the neighbours alone"
    )
    name = "B12 `yes` with a stalled reader: growth of the server's memory"
    return Row(name, figure, f"at most {MOST_GROWTH // MEBIBYTE} MiB", growth <= MOST_GROWTH)


def _neighbours(quiet: Series, stalled: Series) -> Row:
    name = "B12 neighbours' p99 of `true` meanwhile / in quiet"
    gate = f"at most {MOST_OF_QUIET:g} x"
    if not quiet.values or not stalled.values:
        return failed(name, stalled.why_empty if quiet.values else quiet.why_empty, gate)
    pairs = zip(stalled.rounds, quiet.rounds, strict=True)
    ratio = ratio_of(
        [percentile(busy, 0.99) / percentile(calm, 0.99) for busy, calm in pairs if busy and calm]
    )
    figure = (
        f"{multiple(ratio)}: {seconds_text(stalled.percentile(0.99))} against "
        f"{seconds_text(quiet.percentile(0.99))}; {success(stalled, quiet)}"
    )
    return Row(name, figure, gate, ratio.value / stalled.success <= MOST_OF_QUIET)
