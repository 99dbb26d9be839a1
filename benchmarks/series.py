"""What a measurement gave: the costs of each contestant, round by round, and ratios with their uncertainty."""

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Outcome: TypeAlias = float | str
"""What it cost, or why it failed."""

BOOTSTRAP_SAMPLES: Final = 1000
"""Enough for the ends of a 95 % interval to stand still in the second digit."""


@dataclass
class Series:
    """What one contestant did.

    Attributes:
        rounds: Its costs, round by round.
        failures: Why it failed, each time that it did.
    """

    rounds: list[list[float]] = field(default_factory=list[list[float]])
    failures: list[str] = field(default_factory=list[str])

    @property
    def values(self) -> list[float]:
        """All costs of all rounds."""
        return [value for costs in self.rounds for value in costs]

    @property
    def why_empty(self) -> str:
        """Why there are no costs."""
        if self.failures:
            return f"failed each time: {self.failures[0]}"
        return "each round was discarded: the machine was busy with something else"

    @property
    def success(self) -> float:
        """The share of its attempts that succeeded."""
        done = len(self.values)
        return done / max(1, done + len(self.failures))

    @property
    def median(self) -> float:
        """Median of the rounds' medians."""
        return statistics.median(statistics.median(costs) for costs in self.rounds if costs)

    def percentile(self, share: float) -> float:
        """Over all rounds."""
        return percentile(self.values, share)

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count them in the newest round."""
        self.rounds[-1].extend(outcome for outcome in outcomes if not isinstance(outcome, str))
        self.failures.extend(outcome for outcome in outcomes if isinstance(outcome, str))


@dataclass(frozen=True)
class Ratio:
    """One cost against another.

    Attributes:
        value: Median of the rounds' ratios.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What a run of several contestants gave.

    Attributes:
        series: By contestant; only the rounds that were kept.
        discarded: Rounds that measured the machine.
        left_out: Contestants that could not take part, and why.
    """

    series: Mapping[str, Series]
    discarded: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])

    def why_missing(self, name: str) -> str | None:
        """Why one has no figure, where that is so."""
        if name in self.left_out:
            return f"{name} left out: {self.left_out[name]}"
        series = self.series[name]
        return None if series.values else f"{name}: {series.why_empty}"

    def ratio(self, over: str, under: str) -> Ratio:
        """The cost of one against that of the other, round by round; the share of successes divides a cost."""
        above, below = self.series[over], self.series[under]
        score = below.success / above.success
        pairs = zip(above.rounds, below.rounds, strict=True)
        return ratio_of(
            [score * statistics.median(high) / statistics.median(low) for high, low in pairs if high and low]
        )


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """The median of the rounds' ratios, with its interval."""
    chance = random.Random(7)
    medians = sorted(
        statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(BOOTSTRAP_SAMPLES)
    )
    return Ratio(statistics.median(ratios), percentile(medians, 0.025), percentile(medians, 0.975))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
