"""Folders as one stream, both ways; and other names for what is there."""

import os
import tempfile
from pathlib import Path

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true

OUTSIDE = "../../etc"


async def a_folder_goes_and_comes_back(box: Box) -> None:
    """What is uploaded and downloaded again is the same: content, permission bits, times, links, odd names."""
    files = box.client.files(box.session_id)
    with tempfile.TemporaryDirectory() as temporary:
        mine, back = Path(temporary, "mine"), Path(temporary, "back")
        _plant(mine)
        sent = await files.upload(mine, "a/b")
        equal(
            (sent.entries, sent.size, sent.links_left_out, sent.skipped), (6, 700_012, 1, 1), "what was sent"
        )
        equal((await box.wait("cd a/b && sh ./run && cat link")).stdout, "ran\necho ran\n")
        came = await files.download("a/b", back)
        equal((came.entries, came.size, came.is_whole), (6, 700_012, True), "what came")
        equal(_seen(back), _seen(mine) - {"fifo", "out"}, "what is there")
        for name in ("run", "sub/large", "sub/line\nbreak"):
            before, after = mine / name, back / name
            equal(after.read_bytes(), before.read_bytes(), name)
            equal(after.stat().st_mode, before.stat().st_mode, name)
            equal(int(after.stat().st_mtime), int(before.stat().st_mtime), name)
        equal(os.readlink(back / "link"), "run")


async def what_travels_joins_what_is_there(box: Box) -> None:
    """A folder joins the one that is there: files of its names are replaced, others stay; a part of it can be chosen."""
    files = box.client.files(box.session_id)
    await files.write("there/old", "old")
    await files.write("there/same", "old")
    with tempfile.TemporaryDirectory() as temporary:
        mine = Path(temporary)
        (mine / "same").write_text("new")
        (mine / "unwanted").mkdir()
        (mine / "unwanted/file").write_text("x")
        await files.upload(mine, "there", ignore=["unw*"])
        equal((await box.wait("cd there && ls -A && cat old same")).stdout, "old\nsame\noldnew")
        (mine / "kept").write_text("kept")
        await files.download("there", mine)
        equal(sorted(os.listdir(mine)), ["kept", "old", "same", "unwanted"])


async def folders_that_cannot_travel_are_typed_errors(box: Box) -> None:
    """What is missing, outside or no folder is said, on the side where it is."""
    files = box.client.files(box.session_id)
    await files.write("file", "x")
    with tempfile.TemporaryDirectory() as temporary:
        mine = Path(temporary)
        await refused(files.upload(mine / "none", "a"), errors.LocalFileError, "local-file-error")
        await refused(files.upload(mine, "file"), errors.SandboxNotADirectory)
        await refused(files.upload(mine, OUTSIDE), errors.PathOutside)
        await refused(files.download("none", mine), errors.SandboxFileNotFound)
        await refused(files.download(OUTSIDE, mine), errors.PathOutside)
        (mine / "taken").write_text("x")
        await refused(files.download("", mine / "taken"), errors.LocalFileError)


async def another_name_in_one_step(box: Box) -> None:
    """Files and folders get other names, with the folders that these need, and replace only what may be replaced."""
    files = box.client.files(box.session_id)
    await files.write("old/file", "x")
    await files.rename("old", "a/new")
    equal(await files.read("a/new/file"), "x")
    await files.write("taken", "y")
    await refused(files.rename("a/new/file", "taken", replace=False), errors.SandboxFileExists, "file-exists")
    await files.rename("a/new/file", "taken")
    equal(await files.read("taken"), "x")
    await refused(files.rename("none", "b"), errors.SandboxFileNotFound)
    await refused(files.rename("taken", OUTSIDE), errors.PathOutside)
    await refused(files.rename(OUTSIDE, "b"), errors.PathOutside)
    true(not await files.exists("b"), "a refused rename changes nothing")


def _plant(folder: Path) -> None:
    (folder / "sub/empty").mkdir(parents=True)
    (folder / "run").write_text("echo ran\n")
    (folder / "run").chmod(0o750)
    (folder / "sub/large").write_bytes(os.urandom(700_000))
    (folder / "sub/line\nbreak").write_text("abc")
    (folder / "link").symlink_to("run")
    (folder / "out").symlink_to("/etc/hostname")
    os.mkfifo(folder / "fifo")
    os.utime(folder / "run", (1_500_000_000, 1_500_000_000))


def _seen(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


CHECKS = (
    a_folder_goes_and_comes_back,
    what_travels_joins_what_is_there,
    folders_that_cannot_travel_are_typed_errors,
    another_name_in_one_step,
)
