"""F14: the server runs out of descriptors, or of room to write: starts are refused with the reason, what runs ends, all recovers.

Its limits are lowered while it runs. A disk that is really full is `sandbox/tests/test_disk.py`'s: it takes root to mount one.
"""

import asyncio
import resource
from functools import partial

import anyio
import httpx2
import pytest

from kubebox import errors
from kubebox.testing import Box
from tests.soak.content import BLOCK, Content, produce
from tests.soak.places import Place, another, server
from tests.soak.waiting import eventually

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.on_this_machine,  # takes limits from the server, which the wall of a pod does not allow
]

PATIENCE = 60
SPARE = 12
"""Descriptors that are left to the server: four commands' worth."""

NONE_LEFT = 3
"""Those that are open stay open; there is no number left for another."""

STARTS = 40
BLOCKS = 32
FULL_BYTES = 0
"""Bytes up to which the server may still write files: their beginnings are longer already."""


class Meanwhile:
    """A stream that began before, and is read to its end in between.

    Args:
        box: Where it runs.
    """

    def __init__(self, box: Box) -> None:
        self._box = box
        self._content = Content()

    async def begin(self) -> None:
        self._stream = await self._box.stream(produce("meanwhile", BLOCKS, pause=BLOCKS // 2, code=6))
        self._pieces = aiter(self._stream)
        while self._content.size < BLOCK * BLOCKS // 2:
            piece = await anext(self._pieces)
            self._content.add(piece.data, piece.offset)

    async def end(self) -> int:
        """Let it go on, read it, and say how many bytes were dropped."""
        await self._box.client.make_dirs(self._box.session_id, "go")  # neither a start nor a descriptor
        async for piece in self._pieces:
            self._content.add(piece.data)
        assert self._stream.exit_code == 6
        if not self._stream.dropped_bytes:
            self._content.check("meanwhile", BLOCKS)
        assert self._content.size + self._stream.dropped_bytes == BLOCK * BLOCKS
        return self._stream.dropped_bytes


async def test_without_descriptors_starts_are_refused_and_streams_end(own: Place) -> None:
    box = await own.box()
    meanwhile = Meanwhile(box)
    await meanwhile.begin()
    with anyio.fail_after(PATIENCE), server(own) as process:
        before = process.usage().descriptors
        async with another(own) as client:
            many = Box(client, box.session_id)
            await client.list_sessions()
            with process.limited(resource.RLIMIT_NOFILE, process.usage().descriptors + SPARE):
                started = await asyncio.gather(
                    *(many.background("exec sleep 60") for _ in range(STARTS)), return_exceptions=True
                )
                refused = [each for each in started if isinstance(each, BaseException)]
                assert 0 < len(refused) < STARTS
                assert {type(each) for each in refused} == {errors.WorkspaceExhausted}
                assert await meanwhile.end() == 0
            answer = await client.kill_all_processes(box.session_id)
            assert answer.killed == STARTS - len(refused)
        assert (await box.wait("echo recovered")).stdout == "recovered\n"
        await eventually(lambda: process.usage().descriptors <= before + 2)


async def test_without_any_descriptor_files_are_refused_and_what_runs_goes_on(own: Place) -> None:
    box = await own.box()
    running = await box.background("exec sleep 60")
    with anyio.fail_after(PATIENCE), server(own) as process:
        async with httpx2.AsyncClient(base_url=own.url) as http:
            assert (await http.get("/healthz")).status_code == 200
            await box.client.write_file(box.session_id, "file", "content")
            with process.limited(resource.RLIMIT_NOFILE, NONE_LEFT):
                for ask in (box.client.get_file, partial(box.client.write_file, content="other")):
                    with pytest.raises(errors.WorkspaceExhausted):
                        await ask(box.session_id, "file")
                assert (await http.get("/readyz")).status_code == 200
        assert await box.client.get_file(box.session_id, "file") == "content"
        assert (await running.status()).state == "running"


async def test_whoever_cannot_be_let_in_comes_in_as_soon_as_there_is_room(own: Place) -> None:
    box = await own.box()
    with anyio.fail_after(PATIENCE), server(own) as process:
        coming = another(own)
        with process.limited(resource.RLIMIT_NOFILE, NONE_LEFT):
            connecting = asyncio.ensure_future(coming.connect())
            assert (await box.client.list_sessions())[0].session_id == box.session_id
            assert not connecting.done()
        await connecting
        assert (await Box(coming, box.session_id).wait("echo in")).stdout == "in\n"
        await coming.disconnect()


async def test_where_nothing_can_be_written_starts_are_refused_and_what_is_lost_is_counted(
    own: Place,
) -> None:
    box = await own.box()
    meanwhile = Meanwhile(box)
    await meanwhile.begin()
    with anyio.fail_after(PATIENCE), server(own) as process:
        with process.limited(resource.RLIMIT_FSIZE, FULL_BYTES):
            for _ in range(3):
                with pytest.raises(errors.JournalUnavailable):
                    await box.wait("touch ran")
            async with httpx2.AsyncClient(base_url=own.url) as http:
                assert (await http.get("/readyz")).status_code == 200
            assert await meanwhile.end() > 0
        assert (await box.wait("test -e ran; echo $?")).stdout == "1\n"
