"""Commands: B1 (`true`), B4 (32 at once, and the server's health meanwhile), B5 (time to the first byte)."""

import asyncio
import statistics
import sys
import time
from pathlib import Path

from benchmarks.measure import Ratio, compare, timed
from kubebox import CommandMode, SandboxClient

SESSION = "benchmark"
AT_ONCE = 32
SLEEP = ["sleep", "0.1"]


async def run_true(client: SandboxClient, rounds: int, repeats: int) -> Ratio:
    """B1: `true`, from the call to its result, against a bare asyncio subprocess."""

    async def ours() -> float:
        return await timed(client.run_command(SESSION, ["true"], mode=CommandMode.WAIT))

    async def bare() -> float:
        return await timed(_bare("true"))

    await ours()
    return await compare(ours, bare, rounds=rounds, repeats=repeats)


async def first_byte(client: SandboxClient, rounds: int, repeats: int) -> Ratio:
    """B5: from the call to the first byte of `echo`, against a bare asyncio subprocess and its pipe."""

    async def ours() -> float:
        started = time.perf_counter()
        stream = await client.run_command(SESSION, ["echo", "x"], mode=CommandMode.STREAM)
        seconds = 0.0
        async for _ in stream:
            seconds = seconds or time.perf_counter() - started
        return seconds

    async def bare() -> float:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec("echo", "x", stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.read(1)
        seconds = time.perf_counter() - started
        await process.communicate()
        return seconds

    return await compare(ours, bare, rounds=rounds, repeats=repeats)


async def many_at_once(client: SandboxClient, url: str, rounds: int) -> tuple[float, float]:
    """B4: wall time of 32 concurrent `sleep 0.1`, and the 99th percentile of the server's health meanwhile, seconds."""
    asker = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("health.py")), url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert asker.stdout is not None
    await asker.stdout.readline()
    walls: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(client.run_command(SESSION, SLEEP, mode=CommandMode.WAIT))
        walls.append(time.perf_counter() - started)
    answer, _ = await asker.communicate(b"stop\n")
    return statistics.median(walls), float(answer.split()[-1])


async def _bare(program: str) -> None:
    process = await asyncio.create_subprocess_exec(
        program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await process.communicate()
