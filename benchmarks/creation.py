"""B9, local: from `Sandbox.create()` to the result of the first command, against starting a bare interpreter."""

import asyncio
import sys
import time

from benchmarks.measure import Ratio, compare, timed
from kubebox import Sandbox


async def create_and_run(rounds: int, repeats: int) -> Ratio:
    """A cold local sandbox to its first result, against `python -c "import asyncio"`: what any Python program costs here."""

    async def ours() -> float:
        started = time.perf_counter()
        async with Sandbox.create("local") as sandbox:
            await sandbox.run(["true"])
            return time.perf_counter() - started

    async def bare() -> float:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import asyncio")
        return await timed(process.wait())

    return await compare(ours, bare, rounds=rounds, repeats=repeats)
