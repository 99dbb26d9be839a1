"""Writing down what a run found: the table into README.md, the raw data into a file of its own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.peers import kernel_gateway, swe_rex
from benchmarks.row import Row, as_table
from benchmarks.series import Measured, Series
from benchmarks.stage import Stage

FOLDER: Final = Path(__file__).parent
README: Final = FOLDER / "README.md"
RESULTS: Final = FOLDER / "results"
BEGIN: Final = "<!-- The run writes what follows: make bench -->"
END: Final = "<!-- Here ends what the run writes. -->"

MOST_VALUES: Final = 100
"""Of one contestant in one round. Of more, evenly spaced order statistics are kept: they keep every percentile."""


def as_text(rows: Sequence[Row], machine: Mapping[str, str], stage: Stage) -> str:
    """The table, and what has to be known to read it."""
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    peers = ", ".join(f"{one.title} {one.version}" for one in (swe_rex.PACKAGE, kernel_gateway.PACKAGE))
    left_out = "".join(f" {name} left out: {reason}." for name, reason in stage.left_out.items())
    return f"Run: {facts}. Peers: {peers}.{left_out}\n\n{as_table(rows)}\n"


def write_table(text: str, readme: Path = README) -> None:
    """Put the table between its marks.

    Args:
        text: The table.
        readme: Where.
    """
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def write_data(rows: Sequence[Row], machine: Mapping[str, str], stage: Stage) -> Path:
    """Keep the raw data; gives the file's path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (machine["date"].translate(str.maketrans({" ": "-", ":": ""})) + ".json")
    data = {
        "machine": dict(machine),
        "rows": [vars(row) for row in rows],
        "measured": {key: _plain(measured) for key, measured in stage.kept.items()},
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def _plain(measured: Measured) -> dict[str, Any]:
    return {
        "discarded": measured.discarded,
        "left out": dict(measured.left_out),
        "series": {name: _series(one) for name, one in measured.series.items()},
    }


def _series(series: Series) -> dict[str, Any]:
    return {
        "rounds": [_thinned(costs) for costs in series.rounds],
        "attempts": len(series.values) + len(series.failures),
        "failures": sorted(set(series.failures))[:MOST_VALUES],
    }


def _thinned(costs: Sequence[float]) -> list[float]:
    ordered = sorted(costs)
    step = max(1.0, len(ordered) / MOST_VALUES)
    return [round(ordered[int(index * step)], 6) for index in range(int(len(ordered) / step))]
