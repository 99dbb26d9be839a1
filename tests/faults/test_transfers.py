"""F02: a file goes on at the exact byte over every cut, both ways, and leaves nothing half-written where it cannot."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from itertools import repeat
from pathlib import Path

import pytest

from kubebox import errors
from tests.faults.lines import Line, OpenLine
from tests.faults.proxy import Cut, random_places
from tests.soak.places import own_place, server
from tests.soak.sizes import LIMIT

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

SIZE = 12_000_000
CUTS = 12


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of this machine."""
    path = tmp_path / "mine"
    plant(path, os.urandom(SIZE))
    return path


def plant(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def content(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_download_goes_on_over_every_cut(open_line: OpenLine, mine: Path) -> None:
    line = await open_line()
    await line.direct.client.files(line.direct.session_id).upload(mine, "file")
    files = line.box.client.files(line.box.session_id)
    line.proxy.cut_at(random_places(21, CUTS, SIZE // (2 * CUTS)))
    back = mine.with_name("back")
    assert (await files.download("file", back)).size == SIZE
    assert content(back) == content(mine)
    assert line.proxy.cuts == CUTS
    line.proxy.cut_at(random_places(22, CUTS, SIZE // (4 * CUTS)))
    part = [piece async for piece in files.stream("file", offset=SIZE // 2, length=SIZE // 2 - 7)]
    assert b"".join(part) == content(mine)[SIZE // 2 : -7]
    assert line.proxy.cuts == 2 * CUTS
    assert sorted(os.listdir(mine.parent)) == ["back", "mine"]


async def test_an_upload_goes_on_over_every_cut(open_line: OpenLine, mine: Path) -> None:
    line = await open_line()
    files = line.box.client.files(line.box.session_id)
    sending = asyncio.ensure_future(files.upload(mine, "a/file"))
    async for _ in grown(line, "a"):
        line.proxy.cut(Cut.RST if line.proxy.cuts % 2 else Cut.FIN)
        if line.proxy.cuts == CUTS or sending.done():
            break
    sent = await sending
    assert line.proxy.cuts > 1
    assert sent.sha256 == hashlib.sha256(content(mine)).hexdigest()
    assert await line.direct.client.files(line.direct.session_id).read_bytes("a/file") == content(mine)
    assert (await line.direct.wait("ls -A a")).stdout == "file\n"


@pytest.mark.parametrize("answer", [True, False])
async def test_an_upload_whose_answer_is_lost_is_found_to_be_done(
    open_line: OpenLine, mine: Path, answer: bool
) -> None:
    line = await open_line()
    plant(mine, b"short")
    files = line.box.client.files(line.box.session_id)
    line.proxy.cut_instead_of(answer=answer)
    assert (await files.upload(mine, "file")).size == 5
    before = await files.stat("file")
    plant(mine, b"shorter")
    line.proxy.cut_instead_of(answer=answer)
    assert (await files.upload(mine, "file")).size == 7
    assert (await files.stat("file")).version != before.version
    assert line.proxy.cuts == 2


async def test_a_file_that_changed_while_the_line_was_down_is_no_copy(
    open_line: OpenLine, mine: Path
) -> None:
    line = await open_line()
    await line.direct.client.files(line.direct.session_id).upload(mine, "file")
    files = line.box.client.files(line.box.session_id)
    line.proxy.cut_at(repeat((SIZE // 2, Cut.RST), 1))

    async def change() -> None:
        await line.direct.client.write_file(line.direct.session_id, "file", b"other")

    for number in (1, 2):  # One of them is the one after the cut.
        line.proxy.before_reaching(number, change)
    with pytest.raises(errors.FileChanged):
        await files.download("file", mine.with_name("back"))
    assert os.listdir(mine.parent) == ["mine"]


async def test_where_the_line_does_not_come_back_nothing_half_written_is_left(
    open_line: OpenLine, mine: Path
) -> None:
    line = await open_line(reconnect=0.5)
    files = line.box.client.files(line.box.session_id)
    await line.direct.client.files(line.direct.session_id).upload(mine, "file")
    line.proxy.cut_at(repeat((SIZE // 3, Cut.RST), 1))
    downloading = asyncio.ensure_future(files.download("file", mine.with_name("back")))
    while not line.proxy.cuts:  # noqa: ASYNC110 - the line's own time
        await asyncio.sleep(0.001)
    await line.proxy.shut()
    with pytest.raises(errors.ConnectionFailed):
        await downloading
    assert os.listdir(mine.parent) == ["mine"]


@pytest.mark.parametrize("up", [True, False])
async def test_who_ends_a_transfer_leaves_nothing_half_written(
    open_line: OpenLine, mine: Path, up: bool
) -> None:
    line = await open_line()
    files = line.box.client.files(line.box.session_id)
    came = asyncio.Event()
    if not up:
        await files.upload(mine, "file")
    work = (
        files.upload(mine, "other", on_progress=lambda _: came.set())
        if up
        else files.download("file", mine.with_name("back"), on_progress=lambda _: came.set())
    )
    transfer = asyncio.ensure_future(work)
    await came.wait()
    transfer.cancel()
    await asyncio.wait({transfer})
    assert transfer.cancelled()
    assert os.listdir(mine.parent) == ["mine"]
    assert (await line.direct.wait("ls -A")).stdout == ("" if up else "file\n")


@pytest.mark.on_this_machine
async def test_a_server_that_was_killed_gets_the_whole_file_again(mine: Path) -> None:
    """F01: what it had of it went with its knowledge; and the half of a file that was there is gone."""
    async with own_place() as own:
        box = await own.box()
        files = box.client.files(box.session_id)
        killed = asyncio.Event()

        def kill(sent: int) -> None:
            if sent > SIZE // 2 and not killed.is_set():
                killed.set()
                with server(own) as process:
                    process.kill()

        sent = await files.upload(mine, "file", on_progress=kill)
        assert killed.is_set()
        assert sent.sha256 == hashlib.sha256(content(mine)).hexdigest()
        assert (await box.wait("ls -A && sha256sum < file")).stdout.split()[:2] == ["file", sent.sha256]


async def grown(line: Line, folder: str) -> AsyncGenerator[int]:
    """The sizes of a file that is on its way, each time that there is more of it."""
    seen = 0
    while True:
        listed = await line.direct.wait(
            f"stat -c %s {folder}/.kubebox-* 2>/dev/null || stat -c %s {folder}/*"
        )
        size = int(listed.stdout.split()[0]) if listed.stdout.split() else 0
        if size > seen:
            seen = size
            yield seen
        if size == SIZE:
            return
