"""F15: many executions at a time, each with its own output, and commands on top. None is mixed up, none is dropped."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from kubebox import SandboxClient
from kubebox._results import CommandStream
from kubebox.testing import Box
from tests.soak.places import Place, another, own_place, server
from tests.soak.sizes import LIMIT, SHARE, figure, mebibytes, milliseconds, percentile, sized
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

AT_ONCE = sized(300, 1000)
OF_A_CLIENT = 200
"""Streams that one client reads. A connection may have 256."""

MORE_CLIENTS = sized(2, 45)
"""Clients that read the first of them along: each has as many streams as one may."""

ON_TOP = sized(30, 1000)
"""Commands that run while all the others do."""

SECONDS = sized(2.0, 0.25)
"""What a command on top may take. In the short form the machine is another tests' too."""

GROWTH_BYTES = sized(64, 512) * 1024 * 1024
LINES = 200
EACH = f"echo $0; : < gate; i=0; while [ $i -lt {LINES} ]; do echo $0-$i; i=$((i+1)); done; exit $1"
"""Says that it is there, waits until somebody opens the gate for writing, and says more."""


async def read(number: int, stream: CommandStream, there: asyncio.Event) -> None:
    """Read one of many, and see that it has its own output; say when it is there."""
    data = bytearray()
    async for piece in stream:
        assert piece.offset == len(data)
        data += piece.data
        there.set()
    lines = [str(number), *(f"{number}-{line}" for line in range(LINES))]
    assert data.decode().splitlines() == lines
    assert (stream.exit_code, stream.dropped_bytes) == (number % 100, 0)


@pytest.fixture
async def wide() -> AsyncGenerator[Place]:
    """A sandbox for very many processes."""
    async with own_place(resources={"processes": 2 * AT_ONCE + 256}) as shared:
        yield shared


async def test_each_of_very_many_gets_its_own_output_and_the_next_one_its_turn(wide: Place) -> None:
    box = await wide.box()
    await box.wait("mkfifo gate")
    ids = [str(uuid4()) for _ in range(AT_ONCE)]
    with server(wide) as process:
        before = process.usage()
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []

            async def client() -> SandboxClient:
                return await stack.enter_async_context(another(wide))

            def reading(number: int, stream: CommandStream) -> asyncio.Event:
                there = asyncio.Event()
                tasks.append(group.create_task(read(number, stream, there)))
                return there

            async def start(box: Box, number: int) -> None:
                command = ["bash", "-c", EACH, str(number), str(number % 100)]
                await reading(number, await box.stream(command, process_id=ids[number])).wait()

            began = time.monotonic()
            starters = [Box(await client(), box.session_id) for _ in range(0, AT_ONCE, OF_A_CLIENT)]
            await asyncio.gather(*(start(starters[n // OF_A_CLIENT], n) for n in range(AT_ONCE)))
            started = time.monotonic() - began
            more = [await client() for _ in range(MORE_CLIENTS)]
            along = [
                reading(n, each.attach(box.session_id, ids[n])) for each in more for n in range(OF_A_CLIENT)
            ]
            for there in along:
                await there.wait()
            times = [await _time_of(box) for _ in range(ON_TOP)]
            grown = process.usage().resident - before.resident
            gate = await box.background("exec sleep 600 > gate")
            await asyncio.wait(tasks)
        await gate.kill()
        await box.wait("true")
        await eventually(lambda: process.usage().descriptors <= before.descriptors + 2)
    figure(
        f"{AT_ONCE} executions and {len(tasks)} streams at a time",
        started_in=f"{started:.1f} s",
        server_grew=mebibytes(grown),
        on_top_p50=milliseconds(percentile(times, 50)),
        on_top_p99=milliseconds(percentile(times, 99)),
    )
    assert grown < GROWTH_BYTES
    assert percentile(times, SHARE) < SECONDS


async def _time_of(box: Box) -> float:
    began = time.monotonic()
    assert (await box.wait("true")).exit_code == 0
    return time.monotonic() - began
