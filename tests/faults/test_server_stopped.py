"""F04: the server stands still for a while. Who is patient notices nothing, who is not is told, and all recovers."""

import asyncio
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from kubebox import SandboxClient, errors
from kubebox._transport.direct import DirectTransport
from kubebox.keys import resolve_private_key
from kubebox.testing import Box
from tests.soak.content import Content, produce
from tests.soak.places import Place, server
from tests.soak.processes import POOL_THREADS, Process
from tests.soak.sizes import LIMIT, sized
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

STOPPED_SECONDS = sized(1.5, 20.0)
HEARTBEAT_SECONDS = 0.3
"""Seconds of silence after which these clients ask whether the server is there. Others wait fifteen."""

MARGIN_SECONDS = 3.0
BLOCKS = 32
WAIT_FOR_GO = "echo ran >> runs; until [ -e go ]; do sleep 0.01; done; echo on"


def client_of(shared: Place, reconnect: float) -> SandboxClient:
    key = resolve_private_key(shared.kubebox.private_key)
    transport = DirectTransport(shared.url, key, reconnect=reconnect, heartbeat=HEARTBEAT_SECONDS)
    return SandboxClient(url=shared.url, transport=transport)


@contextmanager
def stopped(process: Process) -> Generator[None]:
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


async def stand_still(process: Process) -> None:
    with stopped(process):
        await asyncio.sleep(STOPPED_SECONDS)  # the fault itself


async def test_a_patient_client_notices_nothing(own: Place) -> None:
    async with client_of(own, 60) as client:
        box = Box(client, (await own.box()).session_id)
        waiting = asyncio.ensure_future(box.wait(WAIT_FOR_GO))
        content = Content()
        stream = await box.stream(produce("seed", BLOCKS, pause=BLOCKS // 2))
        pieces = aiter(stream)
        while content.size == 0:
            piece = await anext(pieces)
            content.add(piece.data, piece.offset)
        with server(own) as process:
            standing = asyncio.ensure_future(stand_still(process))
            starting = [asyncio.ensure_future(box.wait(f"echo {n} >> started")) for n in range(8)]
            await standing
        await asyncio.gather(*starting)
        await client.write_file(box.session_id, "go", "")
        async for piece in pieces:
            content.add(piece.data, piece.offset)
        content.check("seed", BLOCKS)
        assert (await waiting).stdout == "on\n"
        started = await client.get_file(box.session_id, "started")
        assert sorted(started.split()) == [str(n) for n in range(8)]
        assert sorted((await client.get_file(box.session_id, "runs")).split()) == ["ran", "seed"]


async def test_an_impatient_client_is_told_in_its_time_and_goes_on_later(own: Place) -> None:
    async with client_of(own, 0) as client:
        box = Box(client, (await own.box()).session_id)
        waiting = asyncio.ensure_future(box.wait(WAIT_FOR_GO))
        stream = await box.stream("echo there; until [ -e go ]; do sleep 0.01; done; echo on")
        pieces = aiter(stream)
        data = (await anext(pieces)).data
        with server(own) as process, stopped(process):  # until they are told, however long that takes
            async with asyncio.timeout(2 * HEARTBEAT_SECONDS + MARGIN_SECONDS):
                for telling in (anext(pieces), waiting):
                    with pytest.raises(errors.ConnectionLost) as lost:
                        await telling
                    assert "process_id" in lost.value.data
            await asyncio.sleep(STOPPED_SECONDS)  # the fault itself
        await client.write_file(box.session_id, "go", "")
        data += b"".join([piece.data async for piece in stream])
        assert data == b"there\non\n"
        assert (await box.wait("cat runs")).stdout == "ran\n"


async def test_a_deadline_that_passes_meanwhile_is_held_afterwards(own: Place) -> None:
    box = await own.box()
    process = await box.background("sleep 60", timeout=STOPPED_SECONDS / 2)
    with server(own) as standing:
        await stand_still(standing)
    began = time.monotonic()
    assert (await process.wait()).kind == "timed-out"
    assert time.monotonic() - began < MARGIN_SECONDS


async def test_a_server_that_stood_still_is_the_same_and_keeps_nothing(own: Place) -> None:
    box = await own.box()
    await box.wait("true")
    with server(own) as process:
        before = process.usage()
        clients = [client_of(own, 0) for _ in range(10)]
        streams = [await _reading(client, box) for client in clients]
        await stand_still(process)
        await asyncio.gather(*streams)
        for client in clients:
            await client.disconnect()
        await box.client.kill_all_processes(box.session_id)
        await box.wait("true")
        with server(own) as still:
            assert still.number == process.number
        after = process.usage()
        await eventually(lambda: process.usage().descriptors <= before.descriptors + 2)
    assert after.threads <= before.threads + POOL_THREADS


async def _reading(client: SandboxClient, box: Box) -> asyncio.Task[None]:
    await client.connect()
    stream = await client.run_command(box.session_id, "while :; do echo tick; sleep 0.05; done")
    pieces = aiter(stream)
    await anext(pieces)

    async def read() -> None:
        with pytest.raises(errors.ConnectionLost):
            async for _ in pieces:
                pass

    return asyncio.ensure_future(read())
