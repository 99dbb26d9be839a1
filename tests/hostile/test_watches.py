"""Watched folders that somebody makes as bad as can be: nothing is told that is not so, and nobody else is held up."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from kubebox import FileWatch, errors
from kubebox_protocol.watches import FileChange
from tests.soak.places import Place
from tests.soak.servers import own_server
from tests.soak.sizes import LIMIT
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

FOLDERS = "seq -f %05g {count} | sed 's,^.*\\(..\\)\\(...\\)$,{into}/\\1/\\2,' | xargs mkdir -p"
HEALTHY_SECONDS = 5.0
"""Within this time a command is answered, whatever is being watched."""

STORM = "while :; do mkdir -p s/a/b/c; mv s t; rm -rf t; done"


async def _read(changes: FileWatch, found: list[FileChange]) -> None:
    async for change in changes:
        found.append(change)  # noqa: PERF401 - somebody looks at it meanwhile


async def test_a_hundred_thousand_folders_are_more_than_is_watched(own: Place) -> None:
    box = await own.box()
    files = box.client.files(box.session_id)
    (await box.wait(FOLDERS.format(count=99_999, into="many"))).check()
    with pytest.raises(errors.TooManyWatches, match="max_user_watches"):
        await files.watch()
    async with files.watch("many/00") as changes:
        (await box.wait("mv many/0[1-9] many/[1-9]* many/00")).check()
        began = time.monotonic()
        assert (await box.wait("echo fine")).stdout == "fine\n"
        assert time.monotonic() - began < HEALTHY_SECONDS
        with pytest.raises(errors.TooManyWatches):
            await _read(changes, [])
    async with files.watch("many", recursive=False) as changes:
        await files.write("many/file", "")
        assert await anext(changes) == FileChange(path="file", type="created")


async def test_a_storm_costs_nobody_else_anything(own: Place) -> None:
    box = await own.box()
    found: list[FileChange] = []
    async with box.client.files(box.session_id).watch() as changes, asyncio.TaskGroup() as group:
        reading = group.create_task(_read(changes, found))
        storms = [await box.background(STORM, path=".") for _ in range(2)]
        for _ in range(20):
            began = time.monotonic()
            assert (await box.wait("echo fine")).stdout == "fine\n"
            assert time.monotonic() - began < HEALTHY_SECONDS
        for storm in storms:
            await storm.kill(grace=0)
        await box.wait("rm -rf s t; mkdir calm")
        while not any(change.path == "calm/last" for change in found):  # An overflow may have taken it along.
            await box.wait("touch calm/last")
        reading.cancel()
    strange = {change.path for change in found} - {"calm", "calm/last", "."}
    assert {path.split("/")[0] for path in strange} <= {"s", "t"}


async def test_a_folder_that_becomes_a_link_leads_nowhere(own: Place) -> None:
    box = await own.box()
    await box.wait("mkdir -p w/sub outside/deep")
    async with box.client.files(box.session_id).watch("w") as changes:
        await box.wait(
            "for turn in $(seq 200); do mv w/sub w/aside; ln -s ../outside w/sub; rm w/sub; mv w/aside w/sub; done"
        )
        await box.wait(
            "ln -s ../outside w/link; touch outside/unseen outside/deep/unseen w/link/unseen; touch w/last"
        )
        found = [await anext(changes)]
        while found[-1].path != "last":
            found.append(await anext(changes))
    assert {change.path for change in found} <= {"sub", "aside", "link", "last", "."}


async def test_nothing_is_left_of_a_watch(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server, server.box() as box:
        await box.wait("mkdir -p a/b/c")
        files = box.client.files(box.session_id)
        for _ in range(3):
            async with files.watch(), files.watch("a"):
                assert _watched(server.init) == 4
            await eventually(lambda: _watched(server.init) is None)
        changes = await files.watch("a")
        assert _watched(server.init) == 3
        await box.wait("rm -r a")
        with pytest.raises(errors.SandboxFileNotFound):
            await _read(changes, [])
        await eventually(lambda: _watched(server.init) is None)


def _watched(init: int) -> int | None:
    """How many folders an init watches; `None` where it could not."""
    for descriptor in Path(f"/proc/{init}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # It was closed meanwhile.
            if "inotify" in os.readlink(descriptor):
                return Path(f"/proc/{init}/fdinfo/{descriptor.name}").read_text().count("inotify wd:")
    return None
