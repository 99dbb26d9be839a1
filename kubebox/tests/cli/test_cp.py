"""`kubebox cp`: the real command, both ways, and what it says where it cannot."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from tests.command_line import PATIENCE, Cli

from ..conftest import Server

LARGE = 40_000_000


@pytest.fixture
def box(server: Server) -> Path:
    """A folder of the sandbox, as this machine sees it."""
    made = server.workspace / f"cp-{time.monotonic_ns()}"
    made.mkdir()
    return made


def refused(cli: Cli, *arguments: str, code: str) -> None:
    done = cli.run("cp", *arguments)
    assert done.returncode == 255
    assert done.stderr.decode().startswith(f"kubebox: {code}: "), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_goes_and_comes_back(cli: Cli, box: Path, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "mine").write_bytes(content)
    (tmp_path / "mine").chmod(0o750)
    (told,) = cli.json("cp", str(tmp_path / "mine"), f":{box.name}/new/file")
    assert (told["entries"], told["size"], len(told["sha256"])) == (1, len(content), 64)
    assert (box / "new/file").read_bytes() == content
    assert stat.S_IMODE((box / "new/file").stat().st_mode) == 0o750
    done = cli.run("cp", f":{box.name}/new/file", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "file").read_bytes() == content
    cli.run("cp", str(tmp_path / "mine"), f":{box.name}")
    cli.run("cp", str(tmp_path / "mine"), f":{box.name}/below/")
    assert sorted(os.listdir(box)) == ["below", "mine", "new"]
    assert os.listdir(box / "below") == ["mine"]


def test_folders_go_as_cp_takes_them(cli: Cli, box: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("x")
    (folder / "file.pyc").touch()
    (folder / "out").symlink_to("/etc")
    done = cli.run("cp", "--ignore", "*.pyc", str(folder), f":{box.name}/new")
    assert done.returncode == 0
    assert b"1 symbolic links" in done.stderr
    assert os.listdir(box / "new") == ["sub"]
    for source, to, wanted in (
        (str(folder), f":{box.name}/new", "new/folder/sub/file"),
        (f"{folder}/.", f":{box.name}", "sub/file"),
    ):
        assert cli.run("cp", source, to).returncode == 0
        assert (box / wanted).read_text() == "x"
    back = tmp_path / "back"
    assert cli.run("cp", f":{box.name}/new", str(back)).returncode == 0
    assert (back / "sub/file").read_text() == "x"
    assert cli.run("cp", f":{box.name}/new/folder", str(back)).returncode == 0
    assert (back / "folder/sub/file").read_text() == "x"


def test_standard_streams_are_exact(cli: Cli, box: Path) -> None:
    content = os.urandom(1_000_000)
    assert cli.run("cp", "-", f":{box.name}/file", stdin=content).returncode == 0
    assert (box / "file").read_bytes() == content
    assert cli.run("cp", f":{box.name}/file", "-").stdout == content


def test_names_that_are_not_utf8_travel(cli: Cli, box: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"odd\xff")
    (tmp_path / odd).write_text("x")
    assert cli.run("cp", str(tmp_path / odd), f":{box.name}/file").returncode == 0
    refused(cli, str(tmp_path / odd), f":{box.name}/", code="invalid-argument")
    (tmp_path / "folder").mkdir()
    (tmp_path / odd).rename(tmp_path / "folder" / odd)
    assert cli.run("cp", f"{tmp_path}/folder", f":{box.name}/folder").returncode == 0
    assert os.listdir(os.fsencode(box / "folder")) == [b"odd\xff"]
    assert cli.run("cp", f":{box.name}/folder", f"{tmp_path}/back").returncode == 0
    assert os.listdir(os.fsencode(tmp_path / "back")) == [b"odd\xff"]


def test_what_cannot_be_copied_is_said(cli: Cli, box: Path, tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine", tmp_path / "folder"
    mine.write_text("x")
    folder.mkdir()
    (folder / "inner").touch()
    (box / "file").write_text("old")
    (box / "folder").mkdir()
    (box / "folder/inner").touch()
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    refused(cli, str(tmp_path / "none"), f":{box.name}/x", code="local-file-error")
    refused(cli, f":{box.name}/none", str(tmp_path / "x"), code="file-not-found")
    refused(cli, str(huge), f":{box.name}/file", code="no-space")
    refused(cli, str(folder), f":{box.name}/file", code="not-a-directory")
    refused(cli, f":{box.name}/folder", str(mine), code="local-file-error")
    refused(cli, f":{box.name}/file", f"{tmp_path}/none/", code="local-file-error")
    refused(cli, f":{box.name}/file", f"{tmp_path}/none/x", code="local-file-error")
    refused(cli, str(mine), ":../outside", code="path-outside")
    refused(cli, f":{box.name}/folder", "-", code="is-a-directory")
    refused(cli, str(mine), str(tmp_path / "other"), code="invalid-argument")
    refused(cli, ":a", ":b", code="invalid-argument")
    refused(cli, "--json", ":a", "-", code="invalid-argument")
    refused(cli, str(mine), "other:x", code="invalid-argument")  # the URL says which sandbox
    assert (box / "file").read_text() == "old"
    assert mine.read_text() == "x"
    assert sorted(os.listdir(tmp_path)) == ["folder", "huge", "mine"]
    assert sorted(os.listdir(box)) == ["file", "folder"]


AS_IF_ORDINARY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
"""Root whose files have permissions for it, too."""


def test_what_is_not_permitted_is_said(cli: Cli, box: Path, tmp_path: Path) -> None:
    mine, locked = tmp_path / "mine", tmp_path / "locked"
    mine.touch(0o000)
    locked.mkdir(0o500)
    (box / "file").touch()
    prefix = AS_IF_ORDINARY if os.getuid() == 0 else []
    for source, to in ((str(mine), f":{box.name}/new"), (f":{box.name}/file", f"{locked}/new")):
        done = cli.run("cp", source, to, prefix=prefix)
        assert done.returncode == 255
        assert done.stderr.startswith(b"kubebox: local-file-error: "), done.stderr
    assert os.listdir(box) == ["file"]
    assert os.listdir(locked) == []


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("folder", [True, False])
def test_ctrl_c_leaves_nothing_half_written(
    cli: Cli, box: Path, tmp_path: Path, up: bool, folder: bool
) -> None:
    source, there = (tmp_path, box) if up else (box, tmp_path)
    (source / "large").mkdir()
    with (source / "large/file").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1_000_000))
    what = "large" if folder else "large/file"
    arguments = (
        (f"{tmp_path}/{what}", f":{box.name}/new") if up else (f":{box.name}/{what}", f"{tmp_path}/new")
    )
    with cli.start("cp", *arguments) as process:
        deadline = time.monotonic() + PATIENCE
        while not list(there.rglob(".kubebox-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    while list(there.rglob(".kubebox-*")):  # Of a folder, the sandbox removes it when it has seen the end.
        assert time.monotonic() < deadline
    assert not list(there.rglob("new/file"))
    assert not (there / "new").is_file()


def test_a_person_sees_a_bar(cli: Cli, box: Path, tmp_path: Path) -> None:
    (tmp_path / "large[red]").write_bytes(bytes(LARGE))
    with cli.person("cp", str(tmp_path / "large[red]"), f":{box.name}/x") as person:
        person.sees(b"large[red]")
        person.sees(b"MB")
        assert person.sees_the_end() == 0
    assert (box / "x").stat().st_size == LARGE
    assert json.loads(cli.run("cp", "--json", f":{box.name}/x", str(tmp_path / "y")).stdout)["size"] == LARGE
