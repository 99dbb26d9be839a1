"""H01-H04: nothing outside a session's folder is read or written through the file API, races included."""

import contextlib
import time

import pytest

from kubebox import errors
from kubebox.testing import Box

pytestmark = pytest.mark.anyio

SECRET = "outside-secret"
RACE_SECONDS = 3.0
"""Seconds of swapping a folder and a symlink while files go through it; `guarantees` asks ten in the long form."""


async def test_a_folder_that_turns_into_a_symlink_never_leads_out(box: Box) -> None:
    """H03: an interior component flips between a folder and a symlink that leads out, during reads, writes and deletes."""
    outside = f"/workspace/outside-{box.session_id}"
    await box.wait(
        f"mkdir -p {outside} real/deep; echo {SECRET} > {outside}/file; echo inside > real/deep/file"
    )
    flip = (
        f"ln -s {outside} evil; ln -s ../outside-{box.session_id} evil2; mv real a; echo go;"
        "while :; do mv a real; mv real a; mv -T evil real; mv -T real evil; mv -T evil2 real; mv -T real evil2; done"
    )
    stream = await box.stream(flip)
    await box.first_output(stream)
    seen: set[str] = set()
    rounds = 0
    deadline = time.monotonic() + RACE_SECONDS
    while time.monotonic() < deadline:
        rounds += 1
        for path in ("real/deep/file", "real/file"):
            with contextlib.suppress(errors.FileError):
                seen.add(await box.client.get_file(box.session_id, path))
        with contextlib.suppress(errors.FileError):
            await box.client.write_file(box.session_id, "real/written", "x")
        with contextlib.suppress(errors.FileError):
            await box.client.delete_file(box.session_id, "real/written")
        with contextlib.suppress(errors.FileError):
            await box.client.make_dirs(box.session_id, "real/made/deep")
        with contextlib.suppress(errors.FileError):
            await box.client.delete_file(box.session_id, "real/made", recursive=True)
    await box.client.kill_command(box.session_id, stream.process_id)
    assert rounds > 20
    assert seen <= {"inside\n"}
    result = await box.wait(f"ls -A {outside}; cat {outside}/file")
    assert result.stdout == f"file\n{SECRET}\n"


async def test_the_same_error_for_what_exists_outside_and_what_does_not(box: Box) -> None:
    """H01: no oracle: an outside path that exists and one that does not get the same answer."""
    answers: list[tuple[str, str]] = []
    for path in (
        "/etc/passwd",
        "/etc/shadow",
        "/etc/absent",
        "/root",
        "../../etc/passwd",
        "../../etc/absent",
    ):
        with pytest.raises(errors.PathOutside) as refused:
            await box.client.get_file(box.session_id, path)
        answers.append((refused.value.code, refused.value.message.replace(path, "PATH")))
    assert len(set(answers)) == 1


async def test_a_hard_link_is_a_file_like_any_other(box: Box) -> None:
    """H04: what the workspace's user could link, it could read: a link inside the workspace is readable, /etc is not linkable."""
    result = await box.wait("ln /etc/passwd stolen 2>&1; test -e stolen && echo linked || echo refused")
    assert result.stdout.endswith("refused\n")


async def test_a_folder_of_symlinks_is_listed_without_being_followed(box: Box) -> None:
    """H39 in small: loops and links to the whole system end a listing no later."""
    await box.wait("mkdir d; ln -s .. d/loop; ln -s / d/system; ln -s /proc/self/fd d/fds; touch d/file")
    paths = await box.client.get_all_file_paths(box.session_id)
    assert "d/file" in paths
    assert not [path for path in paths if path.startswith(("d/system/", "d/loop/", "d/fds/"))]
