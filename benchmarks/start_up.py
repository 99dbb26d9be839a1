"""What it costs to begin: importing `kubebox`, and the command line's `--help`, against a bare interpreter."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.measure import Contestant, once
from benchmarks.raw import whole_process
from benchmarks.row import Row, at_most, time
from benchmarks.stage import RAW, Stage

BARE: Final = [sys.executable, "-c", "pass"]

COMMANDS: Final[dict[str, tuple[list[str], float]]] = {
    "`import kubebox`": ([sys.executable, "-c", "import kubebox"], 0.15),
    "`import kubebox; kubebox.Sandbox`": ([sys.executable, "-c", "import kubebox; kubebox.Sandbox"], 0.3),
    "`kubebox --help`": ([str(Path(sys.executable).with_name("kubebox")), "--help"], 0.25),
}
"""What is run, as it is shown, and the seconds to aim at. No gates: they are mostly the interpreter's own."""


async def start_up(stage: Stage) -> list[Row]:
    """Whole processes, one after another. Names are imported when they are used, so using one is measured too."""
    contestants = [
        Contestant(shown, once(whole_process(*command))) for shown, (command, _) in COMMANDS.items()
    ]
    contestants.append(Contestant(RAW, once(whole_process(*BARE))))
    measured = await stage.interleave("start-up", contestants, repeats=stage.effort.creations)
    rows: list[Row] = []
    for shown, (_, aim) in COMMANDS.items():
        row = at_most(f"start-up: {shown} / bare `python -c pass`", measured, shown, RAW)
        rows.append(replace(row, gate=f"{row.gate}; aim {time(aim)}"))
    return rows
