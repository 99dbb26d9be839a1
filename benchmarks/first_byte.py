"""B5: from the call to the first byte of `echo`, as it streams."""

import time
from typing import Final

from benchmarks import raw
from benchmarks.measure import Contestant, once
from benchmarks.row import Row, at_most, below
from benchmarks.stage import KUBEBOX, RAW, Stage
from kubebox import Sandbox

ECHO: Final = ["echo", "x"]
MOST_SECONDS: Final = 0.0025


async def first_byte(stage: Stage) -> list[Row]:
    """Ours, and a process with its pipe, in turn."""
    async with Sandbox.create("local") as sandbox:

        async def ours() -> float:
            started = time.perf_counter()
            seconds = 0.0
            stream = await sandbox.stream(ECHO)
            async for _ in stream:
                seconds = seconds or time.perf_counter() - started
            stream.check()
            return seconds

        contestants = [Contestant(KUBEBOX, once(ours)), Contestant(RAW, once(lambda: raw.first_byte(*ECHO)))]
        measured = await stage.interleave("B5", contestants, repeats=stage.effort.repeats)
    return [
        below("B5 stream: time to the first byte of `echo`", measured.series[KUBEBOX], MOST_SECONDS),
        at_most("B5 the same / raw asyncio subprocess and its pipe", measured, KUBEBOX, RAW),
    ]
