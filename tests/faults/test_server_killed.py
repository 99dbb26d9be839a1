"""F03: the server is killed and started again: what ran goes on, each byte is there, and nothing runs twice."""

import asyncio
import time
from pathlib import Path

import anyio
import pytest

from kubebox._results import CommandStream
from tests.soak.content import BLOCK, Content, produce
from tests.soak.places import another, own_place, server
from tests.soak.servers import own_server
from tests.soak.sizes import figure, milliseconds
from tests.soak.waiting import eventually

pytestmark = pytest.mark.anyio

PATIENCE = 60
SILENCE_SECONDS = 10.0
"""How long a reader may hear nothing on account of a server that was killed."""

BLOCKS = 96
HALF = BLOCKS // 2
NEARLY_HALF = BLOCK * (HALF - 8)
"""Bytes that are waited for before all go on: were some lost, that would show at the end, and not as a standstill."""

TICKS = "while :; do echo tick; sleep 0.02; done"
PRODUCED = "touch there; until [ -e go ]; do sleep 0.01; done; head -c 60000 /dev/zero"


class Reader:
    """Reads a stream in the background.

    Attributes:
        content: What came.
        silence: The longest time in which nothing came.
    """

    def __init__(self) -> None:
        self.content = Content()
        self.silence = 0.0
        self.exit_code: int | None = None
        self._came = asyncio.Event()

    async def read(self, stream: CommandStream) -> None:
        last = time.monotonic()
        async for piece in stream:
            self.silence, last = max(self.silence, time.monotonic() - last), time.monotonic()
            self.content.add(piece.data, piece.offset)
            self._came.set()
            self._came = asyncio.Event()
        assert stream.dropped_bytes == 0
        self.exit_code = stream.exit_code

    async def has(self, size: int) -> None:
        while self.content.size < size:
            await self._came.wait()


@pytest.mark.usefixtures("place")
async def test_every_reader_of_a_killed_server_gets_every_byte() -> None:
    with anyio.fail_after(PATIENCE):
        async with own_place() as shared, another(shared) as other, asyncio.TaskGroup() as group:
            box = await shared.box()
            waiting = group.create_task(box.wait(produce("wait", BLOCKS, pause=HALF, code=3)))
            background = await box.background(produce("background", BLOCKS, pause=HALF, code=5))
            stream = await box.stream(produce("stream", BLOCKS, pause=HALF, code=7))
            reader, late = Reader(), Reader()
            reading = group.create_task(reader.read(stream))
            for reached in (BLOCK * 2, NEARLY_HALF):
                await reader.has(reached)
                with server(shared) as process:
                    process.kill()
            attaching = group.create_task(late.read(other.attach(box.session_id, background.process_id)))
            await late.has(NEARLY_HALF)
            await box.client.write_file(box.session_id, "go", "")
            await asyncio.wait([reading, attaching])
            result = await waiting
            runs = await box.client.get_file(box.session_id, "runs")
    reader.content.check("stream", BLOCKS)
    late.content.check("background", BLOCKS)
    whole = Content()
    whole.add(result.stdout_bytes)
    whole.check("wait", BLOCKS)
    assert (reader.exit_code, late.exit_code, result.exit_code) == (7, 5, 3)
    assert sorted(runs.split()) == ["background", "stream", "wait"]


@pytest.mark.usefixtures("place")
async def test_nobody_hears_nothing_for_long() -> None:
    with anyio.fail_after(PATIENCE):
        async with own_place() as shared:
            box = await shared.box()
            reader = Reader()
            reading = asyncio.ensure_future(reader.read(await box.stream(TICKS)))
            for _ in range(3):
                await reader.has(reader.content.size + 100)
                with server(shared) as process:
                    process.kill()
            await reader.has(reader.content.size + 100)
            await box.client.kill_all_processes(box.session_id)
            await reading
    figure("silence of a stream whose server was killed", longest=milliseconds(reader.silence))
    assert reader.silence < SILENCE_SECONDS


async def test_what_ends_while_there_is_no_server_is_told_by_the_next(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with own_server(tmp_path) as server, server.box() as box:
            done = f"{PRODUCED}; touch done; exit 9"
            waiting = asyncio.ensure_future(box.wait(done))
            process = await box.background(done)
            ending = asyncio.ensure_future(process.wait())
            await eventually((server.workspace / "there").exists)
            server.kill()
            (server.workspace / "go").touch()
            await eventually((server.workspace / "done").exists)
            server.start()
            result = await waiting
            assert ((await ending).exit_code, result.exit_code, len(result.stdout)) == (9, 9, 60_000)
