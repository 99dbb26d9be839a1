"""H43: standard input: more than is ever read, after the end, closed twice, by two writers; told by the wire's own events."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from kubebox.testing import Box
from kubebox_protocol import events
from kubebox_protocol.limits import MAX_INPUT_BYTES
from tests.soak.places import Place, server
from tests.soak.raw import Wire, wire
from tests.soak.servers import own_server
from tests.soak.sizes import LIMIT, sized
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

GROWTH_BYTES = 16 * 1024**2
WANTED_BYTES = 1024**3
PIECE = bytes(MAX_INPUT_BYTES)
ROUNDS = sized(8, 1000)
JOURNAL_BYTES = 1024**2


async def give(one: Wire, which: dict[str, Any], offset: int, data: Any = b"", **fields: Any) -> Any:
    """Give input; the answer's offset, or the code of its refusal."""
    answer = await one.ask(events.INPUT, {**which, "input": {"offset": offset, "data": data, **fields}})
    return answer["ok"]["offset"] if "ok" in answer else answer["error"]["code"]


async def test_a_command_that_never_reads_holds_its_writer_up(box: Box, shared: Place) -> None:
    """H43: of a gibibyte it takes what its pipe holds; the rest waits at its writer, and nowhere else."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "exec sleep 600", open_stdin=True)
        with server(shared) as process:
            before, taken = process.usage(), 0
            waiting: list[asyncio.Future[Any]] = []
            while not waiting and taken < WANTED_BYTES:
                giving = asyncio.ensure_future(give(one, which, taken, PIECE))
                done, held_up = await asyncio.wait({giving}, timeout=0.5)
                taken += len(PIECE) * len(done)
                waiting += held_up
            waiting += [asyncio.ensure_future(give(one, which, taken, PIECE)) for _ in range(20)]
            assert (await box.wait("echo others go on")).exit_code == 0
            assert taken <= 1024**2
            assert process.usage().resident - before.resident < GROWTH_BYTES
        await box.client.kill_command(box.session_id, which["execution_id"], grace=0)
        refused = await asyncio.gather(*waiting)
    assert set(refused) == {"input-closed"}


async def test_binary_input_is_exact_and_ends_where_it_is_closed(box: Box) -> None:
    """H43: every byte, in pieces of all sizes, and then the end of file."""
    digest, offset = hashlib.sha256(), 0
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "sha256sum", open_stdin=True)
        for _ in range(ROUNDS):
            for size in (1, 4095, 4096, 65535, MAX_INPUT_BYTES):
                data = os.urandom(size)
                digest.update(data)
                assert await give(one, which, offset, data) == offset + size
                assert await give(one, which, offset, data) == offset + size  # as after a lost answer
                offset += size
        assert await give(one, which, offset, close=True) == offset
        assert await give(one, which, offset, close=True) == offset
        assert (await one.ended(which))["verdict"]["exit_code"] == 0
        assert one.output(which).split()[0].decode() == digest.hexdigest()
        assert await give(one, which, offset, b"after the end") == "input-closed"


async def test_a_full_output_and_a_full_input_lock_nobody(tmp_path: Path) -> None:
    """H43: `cat` writes more than is kept before somebody reads, and reads more than a pipe holds."""
    total = 4 * JOURNAL_BYTES
    async with (
        own_server(tmp_path, KUBEBOX_JOURNAL_BYTES=str(JOURNAL_BYTES)) as server,
        server.box() as box,
        wire(box.client) as one,
    ):
        which = await one.start(box.session_id, "cat; echo end", open_stdin=True)
        await one.ask(events.DETACH, which)
        writing = asyncio.ensure_future(_write_all(one, which, total))
        await _stands_still(box, which)
        assert not writing.done()
        stream, digest, size = box.client.attach(box.session_id, which["execution_id"]), hashlib.sha256(), 0
        async for piece in stream:
            digest.update(piece.data)
            size += len(piece.data)
        expected = hashlib.sha256(b"x" * total + b"end\n").hexdigest()
        assert (size, digest.hexdigest(), stream.dropped_bytes) == (total + 4, expected, 0)
        await writing


async def _write_all(one: Wire, which: dict[str, Any], total: int) -> None:
    for offset in range(0, total, MAX_INPUT_BYTES):
        assert await give(one, which, offset, b"x" * MAX_INPUT_BYTES, close=offset + MAX_INPUT_BYTES == total)


async def _stands_still(box: Box, which: dict[str, Any]) -> None:
    async with asyncio.timeout(60):
        before, now = -1, 0
        while before != now or now < JOURNAL_BYTES / 2:
            before = now
            await asyncio.sleep(0.3)  # that nothing happens shows only in time
            now = (await box.client.check_status(box.session_id, which["execution_id"])).end_offset


async def test_one_of_two_writers_writes(box: Box) -> None:
    """H43: the other one is refused, until it takes over or the first is gone."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "cat", open_stdin=True)
        async with wire(box.client) as other:
            assert await give(other, which, 0, b"a") == 1
            assert await give(one, which, 1, b"b") == "input-conflict"
            assert await give(one, which, 1, b"b", take=True) == 2
            assert await give(other, which, 2, b"c") == "input-conflict"
            assert await give(other, which, 2, b"c", take=True) == 3

        async def is_let_in() -> bool:
            return await give(one, which, 3, b"d", close=True) == 4

        await eventually(is_let_in)
        await one.ended(which)
        assert one.output(which) == b"abcd"


async def test_what_has_no_input_takes_none(box: Box) -> None:
    """H43: a command whose input came with its start, or never; and gaps."""
    async with wire(box.client) as one:
        fields: dict[str, Any]
        for fields in ({}, {"stdin": b"x"}):
            which = await one.start(box.session_id, "exec sleep 600", **fields)
            assert await give(one, which, 0, b"x") == "input-closed"
            await box.client.kill_command(box.session_id, which["execution_id"], grace=0)
        which = await one.start(box.session_id, "cat", open_stdin=True)
        assert await give(one, which, 1, b"x") == "input-conflict"
        assert await give(one, which, 0, b"x" * (MAX_INPUT_BYTES + 1)) == "invalid-request"
        assert await give(one, which, -1, b"x") == "invalid-request"
        assert await give(one, which, 2**63, b"x") == "input-conflict"
        assert await give(one, which, 0, "text") == "invalid-request"
        assert await give(one, which, 0, b"fine", close=True) == 4
        assert (await one.ended(which))["verdict"]["exit_code"] == 0
