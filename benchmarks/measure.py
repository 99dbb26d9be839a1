"""Interleaved measurement: A, B, A, B, … in one run, and the ratio with its uncertainty."""

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Operation = Callable[[], Awaitable[float]]
"""Does the thing once and gives its duration in seconds."""

BOOTSTRAP_SAMPLES = 1000
DRIFT = 0.30
"""A round whose baseline lies further than this from the median of all rounds measured the machine, not us."""


@dataclass(frozen=True)
class Ratio:
    """Ours against the baseline.

    Attributes:
        ours: Median of the rounds' medians, seconds.
        baseline: The same of the baseline.
        ratio: Median of the rounds' ratios.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        p99: 99th percentile of ours over all kept rounds, seconds.
        rounds: Rounds kept.
    """

    ours: float
    baseline: float
    ratio: float
    low: float
    high: float
    p99: float
    rounds: int


async def compare(ours: Operation, baseline: Operation, *, rounds: int, repeats: int) -> Ratio:
    """Run both in turn, `repeats` times in each of the rounds, and compare round by round.

    Args:
        ours: What is measured.
        baseline: What a user would do instead.
        rounds: At least five.
        repeats: Pairs in a round.
    """
    pairs = [await _round(ours, baseline, repeats) for _ in range(rounds)]
    typical = statistics.median(statistics.median(base) for _, base in pairs)
    kept = [pair for pair in pairs if abs(statistics.median(pair[1]) / typical - 1) <= DRIFT]
    ratios = [statistics.median(mine) / statistics.median(base) for mine, base in kept]
    low, high = _interval(ratios)
    return Ratio(
        ours=statistics.median(statistics.median(mine) for mine, _ in kept),
        baseline=statistics.median(statistics.median(base) for _, base in kept),
        ratio=statistics.median(ratios),
        low=low,
        high=high,
        p99=percentile([value for mine, _ in kept for value in mine], 0.99),
        rounds=len(kept),
    )


async def _round(ours: Operation, baseline: Operation, repeats: int) -> tuple[list[float], list[float]]:
    mine: list[float] = []
    base: list[float] = []
    for _ in range(repeats):
        mine.append(await ours())
        base.append(await baseline())
    return mine, base


def _interval(values: Sequence[float]) -> tuple[float, float]:
    chance = random.Random(7)
    medians = sorted(
        statistics.median(chance.choices(values, k=len(values))) for _ in range(BOOTSTRAP_SAMPLES)
    )
    return percentile(medians, 0.025), percentile(medians, 0.975)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def timed(operation: Awaitable[object]) -> float:
    """How long something takes, seconds."""
    started = time.perf_counter()
    await operation
    return time.perf_counter() - started
