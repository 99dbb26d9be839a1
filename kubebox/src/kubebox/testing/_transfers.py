"""Single files between the user's disk and the sandbox: exact, whole or not at all, with their permission bits."""

import hashlib
import os
import tempfile
from pathlib import Path

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true

OUTSIDE = "../../etc/passwd"
SIZE = 3_000_001


async def a_file_goes_and_comes_back(box: Box) -> None:
    """A file that is uploaded and downloaded again has its bytes, permission bits and time of change, and its SHA-256 is told."""
    files = box.client.files(box.session_id)
    with tempfile.TemporaryDirectory() as temporary:
        mine, back = Path(temporary, "mine"), Path(temporary, "back")
        for content in (b"", os.urandom(SIZE)):
            _plant(mine, content)
            told: list[int] = []
            sent = await files.upload(mine, "a/b", on_progress=told.append)
            equal(
                (sent.entries, sent.size, sent.sha256), (1, len(content), hashlib.sha256(content).hexdigest())
            )
            equal(told[-1:], [len(content)] if content else [], "progress")
            equal((await box.wait("stat -c %a:%Y a/b")).stdout, "750:1500000000\n")
            equal(await files.read_bytes("a/b"), content)
            came = await files.download("a/b", back)
            equal((came.entries, came.size, came.is_whole), (1, len(content), True))
            equal(_seen(back), _seen(mine))
        equal(sorted(os.listdir(temporary)), ["back", "mine"])
        equal((await box.wait("ls -A . a")).stdout.split(), [".:", "a", "a:", "b"])


async def a_file_goes_into_a_folder_under_its_own_name(box: Box) -> None:
    """Where a folder is, on either side, a file goes into it; a slash at the end, or nothing, says so for a new one."""
    files = box.client.files(box.session_id)
    await files.make_dir("there")
    with tempfile.TemporaryDirectory() as temporary:
        mine = Path(temporary, "mine")
        _plant(mine, b"x")
        for path in ("", "there", "new/folder/"):
            await files.upload(mine, path)
        equal(
            (await box.wait("find . -type f | sort")).stdout.split(),
            ["./mine", "./new/folder/mine", "./there/mine"],
        )
        (mine.parent / "folder").mkdir()
        await files.download("there/mine", mine.parent / "folder")
        equal((mine.parent / "folder/mine").read_text(), "x")


async def a_part_of_a_file_is_read_as_it_comes(box: Box) -> None:
    """A file is read piece by piece, from any byte on, as many as wanted; beyond its end there are none."""
    files = box.client.files(box.session_id)
    content = os.urandom(SIZE)
    await files.write("file", content)
    for offset, length in (
        (0, None),
        (1_000_000, None),
        (5, 10),
        (0, 0),
        (SIZE - 1, 100),
        (SIZE, None),
        (2 * SIZE, 1),
    ):
        end = None if length is None else offset + length
        pieces = [piece async for piece in files.stream("file", offset=offset, length=length)]
        equal(b"".join(pieces), content[offset:end], f"{length} bytes from {offset}")
    await refused(anext(files.stream("none")), errors.SandboxFileNotFound)
    await refused(anext(files.stream("file", offset=-1)), errors.InvalidArgument)


async def a_file_that_cannot_travel_changes_nothing(box: Box) -> None:
    """What is missing, outside, special, too large or not permitted is a typed error, and changes nothing."""
    files = box.client.files(box.session_id)
    await box.wait(
        "mkfifo fifo; mkdir -p locked folder/mine; chmod 500 locked; echo old > file; echo x > secret; chmod 0 secret"
    )
    with tempfile.TemporaryDirectory() as temporary:
        mine, huge, taken = (Path(temporary, name) for name in ("mine", "huge", "taken"))
        mine.write_text("x")
        with huge.open("wb") as file:
            file.truncate(1 << 39)
        os.mkfifo(Path(temporary, "fifo"))
        (taken / "file").mkdir(parents=True)
        await refused(files.upload(mine.with_name("none"), "a"), errors.LocalFileError, "local-file-error")
        await refused(files.upload(mine.with_name("fifo"), "a"), errors.LocalFileError)
        await refused(files.upload(huge, "file"), errors.NoSpace, "no-space")
        await refused(files.upload(mine, "locked/a"), errors.SandboxPermissionDenied, "permission-denied")
        await refused(files.upload(mine, OUTSIDE), errors.PathOutside)
        await refused(files.upload(mine, "fifo"), errors.FileNotRegular)
        await refused(files.upload(mine, "file/a"), errors.SandboxNotADirectory)
        await refused(files.upload(mine, "folder"), errors.SandboxIsADirectory)
        await refused(files.download("secret", mine), errors.SandboxPermissionDenied)
        await refused(files.download("fifo", mine), errors.FileNotRegular)
        await refused(files.download(OUTSIDE, mine), errors.PathOutside)
        await refused(files.download("file", mine / "below"), errors.LocalFileError)
        await refused(files.download("file", taken), errors.LocalFileError)
        await refused(files.download("file", mine.with_name("fifo")), errors.LocalFileError)
        equal(mine.read_text(), "x")
        equal(sorted(os.listdir(temporary)), ["fifo", "huge", "mine", "taken"])
    left = (await box.wait("cat file; ls -A . locked folder")).stdout
    true(".kubebox" not in left and left.startswith("old\n"), "nothing is left of what was refused")


async def a_file_that_changes_under_its_copy_is_said_to(box: Box) -> None:
    """A file that is written to while it is downloaded is an error, and no copy of it is left."""
    files = box.client.files(box.session_id)
    await box.wait(f"head -c {8 * SIZE} /dev/zero > file")
    process = await box.background("while :; do printf x >> file; done")
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary, "file")
        await refused(files.download("file", target), errors.FileChanged, "file-changed")
        equal(os.listdir(temporary), list[str]())
        await process.kill()
        equal((await files.download("file", target)).size, (await files.stat("file")).size)


def _plant(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o750)
    os.utime(path, (1_500_000_000, 1_500_000_000.25))


def _seen(path: Path) -> tuple[bytes, int, float]:
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_mtime


CHECKS = (
    a_file_goes_and_comes_back,
    a_file_goes_into_a_folder_under_its_own_name,
    a_part_of_a_file_is_read_as_it_comes,
    a_file_that_cannot_travel_changes_nothing,
    a_file_that_changes_under_its_copy_is_said_to,
)
