"""A folder goes on being watched whatever happens to the connection, and what may have been missed is said."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from kubebox import FileWatch, Sandbox, errors
from kubebox_protocol.watches import FileChange
from tests.conftest import Place
from tests.faults.lines import OpenLine
from tests.faults.proxy import Cut
from tests.soak.places import another
from tests.soak.servers import own_server
from tests.soak.sizes import LIMIT
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

OVERFLOW = FileChange(path=".", type="overflow")
END_SECONDS = 10.0
"""Seconds in which a sandbox ends though it is watched: less than what watches would hold it up."""


async def _until(changes: FileWatch, path: str) -> list[FileChange]:
    found = [await anext(changes)]
    while found[-1].path != path:
        found.append(await anext(changes))
    return found


@pytest.mark.parametrize("how", [Cut.FIN, Cut.RST])
async def test_a_cut_is_an_overflow_and_then_all_goes_on(open_line: OpenLine, how: Cut) -> None:
    line = await open_line()
    files = line.direct.client.files(line.direct.session_id)
    async with line.box.client.files(line.box.session_id).watch() as changes:
        for number in range(5):
            await files.write(f"before-{number}", "")
            await _until(changes, f"before-{number}")
            line.proxy.cut(how)
            await files.write(f"unseen-{number}", "")
            assert await anext(changes) == OVERFLOW
            await files.write(f"after-{number}", "")
            assert OVERFLOW not in await _until(changes, f"after-{number}")


async def test_whoever_wants_no_other_connection_is_told_of_the_loss(open_line: OpenLine) -> None:
    line = await open_line(reconnect=0)
    async with line.box.client.files(line.box.session_id).watch() as changes:
        line.proxy.cut(Cut.RST)
        with pytest.raises(errors.ConnectionLost):
            await anext(changes)


async def test_a_server_that_starts_anew_is_an_overflow(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT):
        async with own_server(tmp_path) as server, server.box() as box:
            files = box.client.files(box.session_id)
            async with files.watch() as changes:
                await files.write("before", "")
                await _until(changes, "before")
                server.kill()
                server.start()
                assert await anext(changes) == OVERFLOW
                await files.write("after", "")
                await _until(changes, "after")
            await eventually(lambda: not _inotifies(server.init))


def _inotifies(init: int) -> int:
    found = 0
    for one in Path(f"/proc/{init}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found += "inotify" in str(one.readlink())
    return found


async def test_disconnecting_ends_whoever_waits(shared: Place) -> None:
    box = await shared.box()
    async with another(shared) as client:
        changes = await client.files(box.session_id).watch()
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.wait([waiting], timeout=0.1)
    with pytest.raises(errors.NotConnected):
        await waiting
    await changes.close()


async def test_whoever_waits_when_it_is_closed_gets_no_more(shared: Place) -> None:
    box = await shared.box()
    changes = await box.client.files(box.session_id).watch()
    waiting = asyncio.ensure_future(anext(changes, None))
    await asyncio.wait([waiting], timeout=0.1)
    await changes.close()
    assert await waiting is None


@pytest.mark.on_this_machine
async def test_a_sandbox_ends_though_it_is_watched() -> None:
    async with Sandbox.create("local") as sandbox:
        changes = await sandbox.files.watch()
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.wait([waiting], timeout=0.1)
        began = time.monotonic()
        await sandbox.kill()
        assert time.monotonic() - began < END_SECONDS
        with pytest.raises((errors.NotConnected, errors.SandboxLost)):
            await waiting
        await changes.close()
