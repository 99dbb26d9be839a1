"""Rows of the table: a name, a figure, the gate it has to pass, and whether it did."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.series import Measured, Ratio, Series

REPORTED = "reported"
"""The gate of a figure that decides nothing."""


Show: TypeAlias = Callable[[float], str]
"""Writes a cost."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: What was measured.
        figure: How much.
        gate: What it has to be.
        held: Whether it is; `None` where nothing was to hold, or nothing was measured.
    """

    name: str
    figure: str
    gate: str = REPORTED
    held: bool | None = None


def time(seconds: float) -> str:
    """In the unit that fits."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.0001:
        return f"{_digits(seconds * 1000)} ms"
    return f"{seconds * 1_000_000:.0f} µs"


def at_most(
    name: str, measured: Measured, ours: str, base: str, limit: float | None = None, *, show: Show = time
) -> Row:
    """Our cost as a multiple of another's."""
    return _compared(name, measured, ours, base, limit, show, faster=False)


def at_least(
    name: str, measured: Measured, theirs: str, ours: str, limit: float | None = None, *, show: Show = time
) -> Row:
    """Their cost as a multiple of ours: how many times faster we are."""
    return _compared(name, measured, ours, theirs, limit, show, faster=True)


def below(name: str, series: Series, limit: float, share: float | None = None) -> Row:
    """A time in seconds that has a limit of its own; the median, or a percentile."""
    gate = f"at most {time(limit)}"
    if not series.values:
        return failed(name, series.why_empty, gate)
    value = series.median if share is None else series.percentile(share)
    figure = f"{time(value)}; {success(series)}"
    return Row(name, figure, gate, value / series.success <= limit)


def share(name: str, measured: Measured, ours: str, other: str, limit: float, show: Show) -> Row:
    """Our speed as a share of another's."""
    gate = f"at least {limit:g} x"
    missing = measured.why_missing(ours) or measured.why_missing(other)
    if missing is not None:
        return failed(name, missing, gate)
    ratio = measured.ratio(other, ours)
    mine, its = measured.series[ours], measured.series[other]
    figure = f"{multiple(ratio)}: {show(mine.median)} against {show(its.median)}; {success(mine, its)}"
    return Row(name, figure, gate, ratio.value >= limit)


def rate(seconds: float) -> str:
    """Seconds for each MiB, turned round."""
    return f"{1 / seconds:.0f} MiB/s"


def failed(name: str, why: str, gate: str) -> Row:
    """What we could not do."""
    return Row(name, why, gate, False)


def not_here(name: str, why: str, gate: str = REPORTED) -> Row:
    """What was not measured, and why."""
    return Row(name, why, gate, None)


def multiple(ratio: Ratio) -> str:
    """As `1.52 x (1.48-1.60)`."""
    return f"{_digits(ratio.value)} x ({_digits(ratio.low)}-{_digits(ratio.high)})"


def success(*series: Series) -> str:
    """How many of how many attempts succeeded."""
    counts = [(len(one.values), len(one.values) + len(one.failures)) for one in series]
    return "ok " + " / ".join(f"{done} of {tried}" for done, tried in counts)


def as_table(rows: Sequence[Row]) -> str:
    """All rows in Markdown."""
    marks = {True: "yes", False: "**NO**", None: "-"}
    lines = ["| what | figure | gate | held |", "| --- | --- | --- | --- |"]
    for row in rows:
        cells = (row.name, row.figure, row.gate, marks[row.held])
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _compared(
    name: str, measured: Measured, ours: str, other: str, limit: float | None, show: Show, *, faster: bool
) -> Row:
    bound = "at least {:g} x faster" if faster else "at most {:g} x"
    gate = REPORTED if limit is None else bound.format(limit)
    if (why := measured.why_missing(ours)) is not None:
        return failed(name, why, gate)
    if (why := measured.why_missing(other)) is not None:
        return not_here(name, why, gate)  # A peer that is not there decides nothing.
    ratio = measured.ratio(other, ours) if faster else measured.ratio(ours, other)
    figure = f"{multiple(ratio)}{' faster' if faster else ''}: {_both(measured, ours, other, show)}"
    if limit is None:
        return Row(name, figure, gate)
    return Row(name, figure, gate, ratio.value >= limit if faster else ratio.value <= limit)


def _both(measured: Measured, ours: str, theirs: str, show: Show) -> str:
    mine, other = measured.series[ours], measured.series[theirs]
    rounds = f"{len(mine.rounds)} rounds"
    if measured.discarded:
        rounds += f" ({measured.discarded} discarded)"
    return (
        f"{show(mine.median)} against {show(other.median)}, "
        f"p99 {show(mine.percentile(0.99))} / {show(other.percentile(0.99))}; {success(mine, other)}; {rounds}"
    )


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
