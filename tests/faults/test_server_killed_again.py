"""F03, F19 in small: a server that is killed at any moment, over and over, under everything that clients do."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from kubebox import errors
from kubebox.testing import Box
from kubebox_protocol.executions import Execution
from tests.soak.content import BLOCK, Content, produce
from tests.soak.processes import Process
from tests.soak.servers import OwnServer, own_server
from tests.soak.sizes import LIMIT, figure, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

KILLS = sized(4, 400)
WORKERS = 4
LONGEST_LIFE_SECONDS = 1.0
"""Seconds that a server lives at most; at random less."""

MOST_BLOCKS = 24
SEED = 20240607
KEEP_ALL: dict[str, Any] = {"KUBEBOX_KEPT_EXECUTIONS": "1000000", "KUBEBOX_OUTPUT_BYTES": str(2**40)}
"""Everything is looked at afterwards. The long form leaves two gibibytes."""

UNKNOWN = (errors.ExecutionUnknown, errors.SandboxLost)


@dataclass
class Started:
    """One execution, as its client knows it.

    Attributes:
        process_id: Its id.
        blocks: What it writes.
        code: Its exit code.
        told: How it ended, as its client was told; nothing where that could not be known.
    """

    process_id: str
    blocks: int
    code: int
    told: int | None = None


@dataclass
class Storm:
    """Workers that start commands in all ways, until they are told to stop."""

    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    started: list[Started] = field(default_factory=list[Started])
    over: bool = False

    async def work(self, box: Box) -> None:
        ways: list[Callable[[Box, Started], Awaitable[None]]] = [_wait, _stream, _background]
        while not self.over:
            one = Started(str(uuid4()), self.chance.randrange(1, MOST_BLOCKS), self.chance.randrange(100))
            self.started.append(one)
            try:
                await self.chance.choice(ways)(box, one)
            except UNKNOWN:
                continue
            one.told = one.code


def _command(one: Started) -> list[str]:
    return produce(one.process_id, one.blocks, code=one.code)


async def _wait(box: Box, one: Started) -> None:
    result = await box.wait(_command(one), process_id=one.process_id)
    content = Content()
    content.add(result.stdout_bytes)
    content.check(one.process_id, one.blocks)
    assert (result.exit_code, result.truncated) == (one.code, False)


async def _stream(box: Box, one: Started) -> None:
    stream, content = await box.stream(_command(one), process_id=one.process_id), Content()
    async for piece in stream:
        content.add(piece.data, piece.offset)
    content.check(one.process_id, one.blocks)
    assert (stream.exit_code, stream.dropped_bytes) == (one.code, 0)


async def _background(box: Box, one: Started) -> None:
    process = await box.background(_command(one), process_id=one.process_id)
    assert (await process.wait()).exit_code == one.code
    content = Content()
    async for piece in process.attach():
        content.add(piece.data, piece.offset)
    content.check(one.process_id, one.blocks)


async def test_every_execution_ends_once_and_every_byte_is_there(tmp_path: Path) -> None:
    storm = Storm()
    with anyio.fail_after(LIMIT - 5):
        async with own_server(tmp_path, **KEEP_ALL) as server, server.box() as box:
            before = _held(server)
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(storm.work(box))
                await server.kill_again_and_again(KILLS, storm.chance, LONGEST_LIFE_SECONDS)
                storm.over = True
            records = await box.client.list_commands(box.session_id)
            for _ in range(len(storm.started)):
                # With each end, init lets go of what earlier ones have left: when their last word was still unread.
                if _held(server) == before:
                    break
                await box.wait("true")
            assert _held(server) == before
            runs = Counter((server.workspace / "runs").read_text().split())
    _check(storm, records, runs)


def _check(storm: Storm, records: list[Execution], runs: Counter[str]) -> None:
    by_id = {str(record.execution_id): record for record in records}
    assert len(by_id) == len(records)
    assert {one.process_id for one in storm.started} == set(by_id)
    assert {record.state for record in records} == {"ended"}
    unknown = 0
    for one in storm.started:
        verdict = by_id[one.process_id].verdict
        assert verdict is not None
        if one.told is None:
            unknown += 1
            assert verdict.kind in ("unknown", "server-restarted"), verdict
            assert runs[one.process_id] <= 1
        else:
            assert (verdict.kind, verdict.exit_code) == ("exited", one.code)
            assert runs[one.process_id] == 1
            assert by_id[one.process_id].end_offset == one.blocks * BLOCK
    figure("executions while the server was killed", kills=KILLS, started=len(records), unknown=unknown)


def _held(server: OwnServer) -> tuple[int, int]:
    """What the workspace's first process holds: descriptors, and children that nobody took."""
    with Process(server.init) as init:
        children = Path(f"/proc/{init.number}/task/{init.number}/children").read_text().split()
        return init.usage().descriptors, len(children)
