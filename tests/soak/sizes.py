"""The two forms of a test: short for `make test`, long for `make soak`. It is the same test, with larger numbers."""

import math
import os
from collections.abc import Sequence
from typing import Final, TypeVar

SOAK: Final = os.environ.get("KUBEBOX_SOAK") == "1"

SOAK_SECONDS: Final = 1800
"""Seconds that the long form of one test may take."""

TEST_SECONDS: Final = 120
"""The same of the short one."""

LIMIT: Final = SOAK_SECONDS if SOAK else TEST_SECONDS
"""For `pytest.mark.timeout`."""

SHARE: Final = 99 if SOAK else 90
"""The percentile that is held against a bound. Of the short form's few values, the 99th would be the one worst, which is
whatever else the machine did at that moment."""

Size = TypeVar("Size", int, float)


def sized(short: Size, long: Size) -> Size:
    """The number for the form that runs."""
    return long if SOAK else short


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many hundredths of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def figure(what: str, **values: object) -> None:
    """Say what was measured; `make soak` shows it."""
    print(f"\n  figure: {what}: " + ", ".join(f"{name} {value}" for name, value in values.items()))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def mebibytes(count: float) -> str:
    return f"{count / 2**20:.1f} MiB"
