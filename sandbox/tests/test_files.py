"""Files: exact bytes, one step, and nothing outside of the session's folder (H01, H02, H04)."""

import hashlib
import os
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from kubebox_sandbox.files import fill, threads

from .conftest import Sandbox, eventually

FILES = "/v1/sessions/main/files"


async def get(sandbox: Sandbox, path: str, route: str = FILES, **options: Any) -> Any:
    return await sandbox.request("GET", route, params={"path": path}, **options)


async def put(sandbox: Sandbox, path: str, content: Any, **params: Any) -> Any:
    return await sandbox.request("PUT", FILES, params={"path": path, **params}, content=content)


@pytest.mark.parametrize("size", [0, 1, 70_000, 5 << 20])
async def test_what_was_written_is_read(sandbox: Sandbox, size: int) -> None:
    content = os.urandom(size)
    written = (await put(sandbox, "file", content)).json()
    version = written.pop("version")
    assert written == {"path": "file", "size": size, "sha256": hashlib.sha256(content).hexdigest()}
    answer = await get(sandbox, "file")
    assert answer.headers["etag"] == f'"{version}"'
    assert (answer.content, answer.headers["content-length"]) == (content, str(size))
    assert (sandbox.workspace / "file").read_bytes() == content


async def test_a_write_replaces_in_one_step_and_keeps_the_mode(sandbox: Sandbox) -> None:
    target = sandbox.workspace / "file"
    target.write_bytes(b"old")
    target.chmod(0o750)
    with target.open("rb") as old:
        await put(sandbox, "file", b"new")
        assert old.read() == b"old"
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o750)


async def test_a_write_that_breaks_off_changes_nothing(sandbox: Sandbox) -> None:
    (sandbox.workspace / "file").write_bytes(b"old")
    token = sandbox.token("PUT", f"{FILES}?path=file")
    head = (
        f"PUT {FILES}?path=file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    async with await anyio.connect_tcp("127.0.0.1", sandbox.port) as stream:
        await stream.send(head.encode() + b"x" * 600_000)
        await eventually(lambda: len(os.listdir(sandbox.workspace)) == 2)
    await eventually(lambda: len(os.listdir(sandbox.workspace)) == 1)
    assert (sandbox.workspace / "file").read_bytes() == b"old"


async def test_ranges(sandbox: Sandbox) -> None:
    (sandbox.workspace / "file").write_bytes(bytes(range(200)))
    part = await get(sandbox, "file", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-range"] == "bytes 10-19/200"
    assert (await get(sandbox, "file", headers={"range": "bytes=190-"})).content == bytes(range(190, 200))
    many = "bytes=" + ",".join(f"{number}-" for number in range(10_000))
    for whole in [many, "bytes=-5", "bytes=9-5", "lines=1-2", "bytes=" + "9" * 30 + "-"]:
        answer = await get(sandbox, "file", headers={"range": whole[:60_000]})
        assert (answer.status_code, len(answer.content)) == (200, 200)


async def test_names_of_all_kinds(sandbox: Sandbox) -> None:
    for name in ["-rf", "$(x)", "a\nb", "ü" * 127, "a b", "%2e%2e%2f", "a\\..\\b", "..a", "sub/deep"]:
        assert (await put(sandbox, name, name.encode(), make_dirs=True)).status_code == 200, name
        assert (await get(sandbox, name)).content == name.encode()
        assert (await get(sandbox, f"{sandbox.workspace}/{name}")).content == name.encode()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("missing", "file-not-found"),
        ("missing/below", "file-not-found"),
        ("file/below", "not-a-directory"),
        ("folder", "is-a-directory"),
        ("fifo", "file-not-regular"),
        ("socket", "file-not-regular"),
        ("device", "file-not-regular"),
        ("", "path-invalid"),
        (".", "path-invalid"),
        ("a\0b", "path-invalid"),
        ("x" * 300, "path-invalid"),
        ("x/" * 2100, "path-invalid"),
        ("../outside", "path-outside"),
        ("../missing", "path-outside"),
        ("folder/../../outside", "path-outside"),
        ("/etc/passwd", "path-outside"),
        ("/no/such/file", "path-outside"),
        ("link-out", "path-outside"),
        ("link-out-missing", "path-outside"),
        ("link-up/outside", "path-outside"),
        ("link-absolute/passwd", "path-outside"),
        ("link-circle", "path-outside"),
        ("link-proc", "path-outside"),
    ],
)
async def test_what_cannot_be_read(sandbox: Sandbox, path: str, code: str) -> None:
    prepare(sandbox)
    if path == "device" and os.geteuid() != 0:
        pytest.skip("only root may make a device")
    with anyio.fail_after(5):
        answer = await get(sandbox, path)
    assert answer.json()["code"] == code, answer.text


def prepare(sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    (workspace.parent / "outside").write_text("secret")
    (workspace / "file").write_text("inside")
    (workspace / "folder").mkdir()
    os.mkfifo(workspace / "fifo")
    if os.geteuid() == 0:
        os.mknod(workspace / "device", 0o20666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(workspace / "socket"))
    for name, target in {
        "link-in": "file",
        "link-out": "../outside",
        "link-out-missing": "../missing",
        "link-up": "..",
        "link-absolute": "/etc",
        "link-circle": "link-circle",
        "link-proc": "/proc/self/root/etc/passwd",
    }.items():
        (workspace / name).symlink_to(target)


async def test_an_outside_path_looks_the_same_whether_it_exists(sandbox: Sandbox) -> None:
    prepare(sandbox)
    for there, absent in [("/etc/passwd", "/etc/passwx"), ("../outside", "../outsidx"), ("/etc", "/etx")]:
        for route in [FILES, f"{FILES}/stat", f"{FILES}/exists"]:
            first, second = await get(sandbox, there, route), await get(sandbox, absent, route)
            assert first.status_code == second.status_code == 403
            assert first.text.replace(there, absent) == second.text


async def test_links_inside_work_and_links_outside_are_not_written_through(sandbox: Sandbox) -> None:
    prepare(sandbox)
    assert (await get(sandbox, "link-in")).content == b"inside"
    for path in ["link-out", "link-out-missing", "link-up/new", "../new", "/etc/new"]:
        await put(sandbox, path, b"x")
    assert (sandbox.folder / "outside").read_text() == "secret"
    assert not (sandbox.folder / "missing").exists()
    assert not (sandbox.folder / "new").exists()
    for path in ["../outside", "link-up/outside", "link-absolute/passwd"]:
        await sandbox.request("DELETE", FILES, params={"path": path})
    assert (sandbox.folder / "outside").exists()
    assert "passwd" in os.listdir("/etc")


async def test_exists_stat_delete_and_directories(sandbox: Sandbox) -> None:
    made = await sandbox.request("POST", f"{FILES}/directories", json={"path": "a/b/c"})
    assert made.status_code == 204
    await put(sandbox, "a/b/file", b"12345")
    stat = (await get(sandbox, "a/b/file", f"{FILES}/stat")).json()
    assert "type" in stat, stat
    assert (stat["type"], stat["size"], stat["mode"], stat["path"]) == ("file", 5, 0o644, "a/b/file")
    assert (await get(sandbox, "a/b", f"{FILES}/stat")).json()["type"] == "directory"
    assert (await get(sandbox, "a/b/file", f"{FILES}/exists")).json() == {"exists": True}
    assert (await get(sandbox, "a/nothing/file", f"{FILES}/exists")).json() == {"exists": False}
    full = await sandbox.request("DELETE", FILES, params={"path": "a"})
    assert full.json()["code"] == "is-a-directory"
    assert (await sandbox.request("DELETE", FILES, params={"path": "a/b/file"})).status_code == 204
    assert (
        await sandbox.request("DELETE", FILES, params={"path": "a", "recursive": True})
    ).status_code == 204
    assert (await sandbox.request("DELETE", FILES, params={"path": "a"})).json()["code"] == "file-not-found"
    assert os.listdir(sandbox.workspace) == []


async def listing(sandbox: Sandbox, **fields: Any) -> Any:
    return (await sandbox.request("POST", f"{FILES}/list", json=fields)).json()


async def test_list(sandbox: Sandbox) -> None:
    for name in ["a.py", "b.txt", "sub/c.py", "sub/deep/d.py", "new\nline.py"]:
        await put(sandbox, name, b"x", make_dirs=True)
    (sandbox.workspace / os.fsdecode(b"bad\xff.py")).write_text("x")
    everything = await listing(sandbox)
    paths = [entry["path"] for entry in everything["entries"]]
    assert paths == ["a.py", "b.txt", "new\nline.py", "sub", "sub/c.py", "sub/deep", "sub/deep/d.py"]
    assert (everything["partial"], everything["undecodable"]) == (None, 1)
    matching = await listing(sandbox, regexes=[r"^sub/.*\.py$", r"^a"])
    assert [entry["path"] for entry in matching["entries"]] == ["a.py", "sub/c.py", "sub/deep/d.py"]
    beneath = await listing(sandbox, path="sub", regexes=["^sub/deep"], files_only=True)
    assert [entry["path"] for entry in beneath["entries"]] == ["deep/d.py"]
    assert (await listing(sandbox, regexes=[]))["entries"] == []
    cut = await listing(sandbox, max_entries=2)
    assert (len(cut["entries"]) + cut["undecodable"], cut["partial"]) == (2, "entries")
    cut = await listing(sandbox, max_entries=1, regexes=["py"])
    assert (len(cut["entries"]), cut["partial"]) == (1, "entries")


async def test_list_refuses_patterns_that_could_run_for_ever(sandbox: Sandbox) -> None:
    for number, regex in enumerate(["(", r"(a)\1", "(?=a)", "a{1001}", "*"]):
        answer = await listing(sandbox, regexes=["fine"] * number + [regex])
        assert (answer["code"], answer["data"]["index"]) == ("regex-invalid", number)
    (sandbox.workspace / ("a" * 200 + "!")).write_text("")
    with anyio.fail_after(5):
        assert (await listing(sandbox, regexes=["(a+)+$", "(a|a)*b"]))["entries"] == []


async def test_list_of_what_is_no_folder(sandbox: Sandbox) -> None:
    prepare(sandbox)
    for path, code in [("file", "not-a-directory"), ("missing", "file-not-found"), ("..", "path-outside")]:
        assert (await listing(sandbox, path=path))["code"] == code


async def test_a_listing_that_gets_no_thread_leaves_no_pipe(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listing(sandbox)
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(threads, "PIECE_SECONDS", 0.0)
    for _ in range(5):
        assert (await listing(sandbox))["code"] == "workspace-unavailable"
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_what_is_written_can_be_run_at_once(sandbox: Sandbox) -> None:
    await put(sandbox, "program", b"")
    (sandbox.workspace / "program").chmod(0o755)
    true = await anyio.Path("/bin/true").read_bytes()
    for _ in range(5):
        await put(sandbox, "program", true)
        assert (await sandbox.run(["./program"]))["verdict"]["exit_code"] == 0


async def test_what_is_no_folder_is_refused_before_its_archive_begins(sandbox: Sandbox) -> None:
    os.mkfifo(sandbox.workspace / "fifo")
    for _ in range(100):  # init's refusal and the end of its pipe come at once, in either order.
        answer = await get(sandbox, "fifo", f"{FILES}/archive")
        assert (answer.status_code, answer.json()["code"]) == (422, "file-not-regular")
    missing = await get(sandbox, "none", f"{FILES}/archive")
    assert (missing.status_code, missing.json()["code"]) == (404, "file-not-found")


async def test_nothing_of_what_failed_is_written_after_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever appends again, since the first time failed, must not find that in the middle of the second."""
    write = os.write

    def slowly(descriptor: int, data: bytes) -> int:
        if len(data) > fill.PIECE_BYTES // 8:  # No wake-up of a loop.
            time.sleep(0.05)
            data = data[: fill.PIECE_BYTES // 4]
        return write(descriptor, data)

    async def body() -> AsyncGenerator[bytes]:
        yield bytes(fill.PIECE_BYTES)
        raise ConnectionResetError("the client is gone")

    monkeypatch.setattr(os, "write", slowly)
    target = tmp_path / "file"
    with target.open("wb") as file:
        filling = fill.Filling(threads.FileThreads(), file.fileno(), "file")
        with pytest.raises(ConnectionResetError):
            await filling.take(body())
        assert (target.stat().st_size, filling.size) == (fill.PIECE_BYTES, fill.PIECE_BYTES)
