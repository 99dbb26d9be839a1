"""One program that drives many sandboxes: what it runs at once, and what memory that takes."""

import asyncio
import os
import time

import pytest

from kubebox import Sandbox
from kubebox_protocol.keys import new_private_key
from tests.soak.processes import Process
from tests.soak.sizes import LIMIT, figure, mebibytes, milliseconds, percentile, sized

pytestmark = [pytest.mark.timeout(LIMIT), pytest.mark.on_this_machine]

SANDBOXES = sized(4, 100)
EXECUTIONS = sized(80, 2000)
EACH = EXECUTIONS // SANDBOXES

BYTES_PER_SANDBOX = 2 * 2**20
"""Memory that a connected sandbox may take in the program that has it: its connection, its client and its tasks."""

BYTES_BESIDES = 64 * 2**20
"""Memory that the program may take once: what is imported at first use, and what the allocator keeps."""


async def test_one_program_runs_commands_in_all_its_sandboxes() -> None:
    all_there = asyncio.Barrier(SANDBOXES)
    seconds: list[float] = []
    held: list[int] = []

    async def fn(sandbox: Sandbox, item: int) -> None:
        await all_there.wait()
        for number in range(EACH):
            began = time.monotonic()
            result = await sandbox.run(f"echo {item}-{number}")
            seconds.append(time.monotonic() - began)
            assert result.check().stdout == f"{item}-{number}\n"
        if await all_there.wait() == 0:
            held.append(own.usage().resident)
        await all_there.wait()

    with Process(os.getpid()) as own:
        before = own.usage()
        began = time.monotonic()
        outcomes = Sandbox.map(
            fn,
            range(SANDBOXES),
            concurrency=SANDBOXES,
            where="local",
            private_key=new_private_key(),
            timeout=LIMIT / 2,
        )
        async for outcome in outcomes:
            outcome.check()
        took = time.monotonic() - began
        after = own.usage()
    growth = held[0] - before.resident
    figure(
        f"{EXECUTIONS} executions in {SANDBOXES} sandboxes of one program",
        took=f"{took:.1f} s",
        median=milliseconds(percentile(seconds, 50)),
        p99=milliseconds(percentile(seconds, 99)),
        memory=f"{mebibytes(growth)} more while they were there, {mebibytes(after.resident - before.resident)} after",
        descriptors=f"{before.descriptors} before, {after.descriptors} after",
    )
    assert len(seconds) == EXECUTIONS
    assert growth < BYTES_BESIDES + SANDBOXES * BYTES_PER_SANDBOX
    assert after.descriptors <= before.descriptors + 4  # what the loop and the pool of threads keep
