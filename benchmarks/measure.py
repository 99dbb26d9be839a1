"""Interleaved measurement: A, B, C, A, B, C, … in one run."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from benchmarks.series import Measured, Outcome, Series

Operation: TypeAlias = Callable[[], Awaitable[float]]
"""Does the thing once and gives what it cost: seconds, or seconds for each MiB. Raises where it failed."""

Batch: TypeAlias = Callable[[], Awaitable[Sequence[Outcome]]]
"""Does the thing once or several times."""

DRIFT: Final = 0.30
"""A round whose baseline lies further than this from the median of all rounds measured the machine, not us."""

OPERATION_SECONDS: Final = 60.0
"""Seconds until an operation counts as failed: the slowest peer takes four for its slowest one."""


@dataclass(frozen=True)
class Contestant:
    """One who takes part.

    Attributes:
        name: As the table calls it.
        batch: What it does.
        every: It takes part in one turn of so many: a peer a hundred times slower would fill the whole run.
    """

    name: str
    batch: Batch
    every: int = 1


async def interleave(
    contestants: Sequence[Contestant],
    *,
    baseline: str,
    rounds: int,
    repeats: int,
    left_out: Mapping[str, str] | None = None,
) -> Measured:
    """Let all take their turns, and drop the rounds in which the machine was busy with something else.

    Args:
        contestants: Who takes part.
        baseline: The one whose drift tells of the machine.
        rounds: At least five, for figures that are to be published.
        repeats: Turns in a round.
        left_out: Who could not take part, and why.
    """
    for one in contestants:
        await one.batch()  # the first time pays for imports and connections
    series = {one.name: Series() for one in contestants}
    for _ in range(rounds):
        for one in contestants:
            series[one.name].rounds.append([])
        for turn in range(repeats):
            for one in contestants:
                if turn % one.every == 0:
                    series[one.name].add(await one.batch())
    return _steady(series, baseline, left_out or {})


def _steady(series: Mapping[str, Series], baseline: str, left_out: Mapping[str, str]) -> Measured:
    medians = [statistics.median(costs) if costs else None for costs in series[baseline].rounds]
    known = [value for value in medians if value is not None]
    if not known:
        return Measured(series, left_out=left_out)
    typical = statistics.median(known)
    keep = [value is not None and abs(value / typical - 1) <= DRIFT for value in medians]
    kept = {
        name: Series([costs for costs, kept in zip(one.rounds, keep, strict=True) if kept], one.failures)
        for name, one in series.items()
    }
    return Measured(kept, keep.count(False), left_out)


def once(operation: Operation) -> Batch:
    """A batch of one."""

    async def batch() -> list[Outcome]:
        return [await attempt(operation)]

    return batch


def at_once(operations: Sequence[Operation], times: int) -> Batch:
    """A batch of several that go on side by side, each by itself so many times in a row."""

    async def worker(operation: Operation) -> list[Outcome]:
        return [await attempt(operation) for _ in range(times)]

    async def batch() -> list[Outcome]:
        each = await asyncio.gather(*(worker(operation) for operation in operations))
        return [outcome for outcomes in each for outcome in outcomes]

    return batch


async def attempt(operation: Operation) -> Outcome:
    """Do it; a failure is data."""
    try:
        async with asyncio.timeout(OPERATION_SECONDS):
            return await operation()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def timed(operation: Awaitable[object]) -> float:
    """How long something takes, seconds."""
    started = time.perf_counter()
    await operation
    return time.perf_counter() - started
