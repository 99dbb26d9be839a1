"""B9, local: from `Sandbox.create()` to the result of the first command, against starting a bare interpreter."""

import sys
import time
from typing import Final

from benchmarks.measure import Contestant, once
from benchmarks.raw import whole_process
from benchmarks.row import Row, at_most, below
from benchmarks.stage import KUBEBOX, RAW, Stage
from kubebox import Sandbox

MOST_SECONDS: Final = 0.35


async def create(stage: Stage) -> list[Row]:
    """A cold sandbox, and `python -c "import asyncio"`: what any Python program costs here."""
    contestants = [
        Contestant(KUBEBOX, once(_ours)),
        Contestant(RAW, once(whole_process(sys.executable, "-c", "import asyncio"))),
    ]
    measured = await stage.interleave("B9", contestants, repeats=stage.effort.creations)
    return [
        below("B9 local create to first result, cold", measured.series[KUBEBOX], MOST_SECONDS),
        at_most("B9 the same / bare `python -c 'import asyncio'`", measured, KUBEBOX, RAW),
    ]


async def _ours() -> float:
    started = time.perf_counter()
    async with Sandbox.create("local") as sandbox:
        (await sandbox.run(["true"])).check()
        return time.perf_counter() - started
