"""F16: many slow readers of fast producers, and then all of them gone at once: the server is as it was before."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from tests.soak.processes import POOL_THREADS, Process, Usage
from tests.soak.servers import OwnServer, own_server
from tests.soak.sizes import LIMIT, figure, mebibytes, milliseconds, percentile, sized
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

CLIENTS = sized(5, 10)
OF_EACH = sized(10, 20)
ROUNDS = sized(1, 4)
READING_SECONDS = sized(2, 30)
"""Seconds that they read on, when each has something."""

RECOVERY_SECONDS = 30.0
MEBIBYTE = 1024 * 1024
OUTPUT_BYTES = 128 * MEBIBYTE
"""What all output may take on the server's disk: it is full in no time, and producers wait for readers."""

GROWTH_BYTES = sized(48, 96) * MEBIBYTE
"""What the server may grow by while they read: less than the credit that they have."""

LEFT_PART = 0.10
"""What part of its memory the server may have more than before, once all of them are gone."""

KEPT_BYTES = 8 * 1024
"""What it may have more for each command that has ended, whose record it keeps."""

READERS = """
import asyncio, os, sys
from kubebox import SandboxClient

async def read(stream, there):
    async for _ in stream:
        there.set()
        await asyncio.sleep(0.2)

async def one(number):
    client = SandboxClient(os.environ["KUBEBOX_PRIVATE_KEY"], sys.argv[1])
    await client.connect()
    for _ in range(int(sys.argv[3])):
        there = asyncio.Event()
        reading.append(asyncio.create_task(read(await client.run_command("session", "yes"), there)))
        await there.wait()

async def main():
    await asyncio.gather(*map(one, range(int(sys.argv[2]))))
    print("ready", flush=True)
    await asyncio.wait(reading)

reading = []
asyncio.run(main())
"""


async def test_slow_readers_that_drop_at_once_leave_nothing(tmp_path: Path) -> None:
    async with own_server(tmp_path, KUBEBOX_OUTPUT_BYTES=str(OUTPUT_BYTES)) as server, server.box() as box:
        await box.wait("true")
        with server.process as process:
            before = process.usage()
            for number in range(1, ROUNDS + 1):
                times = await _read_and_drop(server, process, before)
                assert (await box.client.kill_all_processes(box.session_id)).killed == CLIENTS * OF_EACH
                await eventually(lambda: process.usage().descriptors <= before.descriptors, RECOVERY_SECONDS)
                await box.wait("true")
                began = time.monotonic()
                most = before.resident * LEFT_PART + number * CLIENTS * OF_EACH * KEPT_BYTES
                await eventually(
                    lambda most=most: process.usage().resident - before.resident <= most, RECOVERY_SECONDS
                )
                figure(
                    f"{CLIENTS * OF_EACH} slow readers of `yes`, all gone at once",
                    health_p99=milliseconds(percentile(times, 99)),
                    left_of_the_servers_growth=mebibytes(process.usage().resident - before.resident),
                    after=f"{time.monotonic() - began:.0f} s",
                )
            after = process.usage()
    assert after.threads <= before.threads + POOL_THREADS


async def _read_and_drop(server: OwnServer, process: Process, before: Usage) -> list[float]:
    """A program that reads slowly, and is killed; gives what its server took meanwhile to say that it is well."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READERS, server.url, str(CLIENTS), str(OF_EACH),
        env={"KUBEBOX_PRIVATE_KEY": server.private_key}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    assert await program.stdout.readline() == b"ready\n"
    times = await _health(server, READING_SECONDS)
    grown = process.usage().resident - before.resident
    program.kill()
    await program.wait()
    assert grown < GROWTH_BYTES
    return times


async def _health(server: OwnServer, seconds: float) -> list[float]:
    """How long the server takes to say that it is well, over and over."""
    times: list[float] = []
    async with httpx2.AsyncClient(base_url=server.url) as http:
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            assert (await http.get("/healthz")).status_code == 200
            times.append(time.monotonic() - began)
    return times
