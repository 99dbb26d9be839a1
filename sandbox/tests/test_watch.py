"""Watched folders: what is told, to slow readers too, and by a workspace that lies."""

import json
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from kubebox_sandbox.files import watch

from .conftest import PATIENCE, Sandbox, eventually
from .test_workspace import FakeInit, close_fakes

__all__ = ["close_fakes"]

WATCH = "/v1/sessions/main/files/watch"
ALIVE = {"type": "alive"}
FOLDER = {"type": "d", "size": 0, "mode": 0o755, "modified_ns": 0}

Lines = AsyncIterator[dict[str, Any]]


@asynccontextmanager
async def watching(sandbox: Sandbox, **params: Any) -> AsyncGenerator[Lines]:
    """A client that reads a watch."""
    request = sandbox.http.build_request("GET", WATCH, params=params)
    token = sandbox.token("GET", request.url.raw_path.decode("ascii"))
    request.headers["authorization"] = f"Bearer {token}"
    answer = await sandbox.http.send(request, stream=True)
    try:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/jsonl"
        yield (json.loads(line) async for line in answer.aiter_lines())
    finally:
        await answer.aclose()


async def until(lines: Lines, last: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with anyio.fail_after(PATIENCE):
        while not found or found[-1] != last:
            found.append(await anext(lines))
    return found


def change(kind: str, path: str, **more: str) -> dict[str, Any]:
    return {"type": kind, "path": path, **more}


async def test_changes_come_as_lines(sandbox: Sandbox) -> None:
    async with watching(sandbox, path="", recursive=True) as lines:
        assert await anext(lines) == ALIVE
        (sandbox.workspace / "folder").mkdir()
        (sandbox.workspace / "folder/a").write_text("x")
        await until(lines, change("created", "folder/a"))
        (sandbox.workspace / "folder").rename(sandbox.workspace / "other")
        await until(lines, change("renamed", "other", from_path="folder"))


async def test_silence_is_broken(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_SILENCE_SECONDS", 0.05)
    async with watching(sandbox, path="") as lines:
        assert [await anext(lines) for _ in range(4)] == [ALIVE] * 4
        (sandbox.workspace / "file").touch()
        await until(lines, change("created", "file"))


async def test_who_has_left_is_not_watched_for(sandbox: Sandbox) -> None:
    for _ in range(2):
        async with anyio.create_task_group() as group:
            for _ in range(watch.MAX_WATCHES):
                group.start_soon(_watch_a_moment, sandbox)


async def _watch_a_moment(sandbox: Sandbox) -> None:
    async def has_room() -> bool:  # Whoever has just left may still be counted.
        answer = await sandbox.request("GET", WATCH, params={"path": "none"})
        return answer.json()["code"] != "too-many-watches"

    await eventually(has_room)
    async with watching(sandbox, path="") as lines:
        assert await anext(lines) == ALIVE


async def test_too_many_at_once_are_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_WATCHES", 1)
    async with watching(sandbox, path=""):
        answer = await sandbox.request("GET", WATCH, params={"path": ""})
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-watches")


async def test_a_workspace_that_ends_ends_its_watches(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    async with sandbox.open(), sandbox.serving():
        await sandbox.http.get("/healthz")
        async with sandbox.workspace_running() as process:
            await sandbox.ready()
            await sandbox.session()
            async with watching(sandbox, path="") as lines:
                assert await anext(lines) == ALIVE
                process.kill()
                await process.wait()
                last = [line async for line in lines][-1]
                assert (last["type"], last["error"]["code"]) == ("ended", "workspace-restarting")


async def tells(sandbox: Sandbox, tell: Callable[[int], None]) -> None:
    """Have a workspace that tells so of changes, in a thread, until its pipe is closed at the other end."""
    threading.Thread(target=_serve, args=(sandbox, tell), daemon=True).start()
    await sandbox.ready()
    await sandbox.session()


def _serve(sandbox: Sandbox, tell: Callable[[int], None]) -> None:
    fake = FakeInit(sandbox.control)
    fake.hello()
    while True:
        try:
            request, descriptors = fake.receive()
        except OSError:
            return
        if not request:
            return
        fake.send({"id": request["id"], "ok": FOLDER})
        for pipe in descriptors:
            threading.Thread(target=_tell, args=(tell, pipe), daemon=True).start()


def _tell(tell: Callable[[int], None], pipe: int) -> None:
    try:
        tell(pipe)
    except BrokenPipeError:
        pass
    finally:
        os.close(pipe)


async def test_what_is_alike_is_one(alone: Sandbox) -> None:
    records = [
        b"C a", b"M a", b"M a", b"M b", b"M b", b"C a", b"D a", b"C a", b"R a//c", b"C a", b"M a",
        b"M x/\xff", b"C \xff", b"M \xff/y", b"R \xff//d", b"R b//\xfe", b"C line\nbreak", b"O ", b"M e", b"M e",
    ]  # fmt: skip
    before, after = records[: records.index(b"O ")], records[records.index(b"O ") :]

    def tell(records: list[bytes], pipe: int) -> None:
        os.write(pipe, b"\0".join(records) + b"\0")

    async def told(records: list[bytes]) -> list[dict[str, Any]]:
        async with watching(alone, path="") as lines:
            return [line async for line in lines][1:-1]

    current = before
    await tells(alone, lambda pipe: tell(current, pipe))
    assert await told(before) == [
        change("created", "a"),
        change("modified", "b"),
        change("deleted", "a"),
        change("created", "a"),
        change("renamed", "c", from_path="a"),
        change("created", "a"),
        change("modified", "x"),
        change("modified", "."),
        change("modified", "."),
        change("created", "d"),
        change("deleted", "b"),
        change("modified", "."),
        change("created", "line\nbreak"),
    ]
    current = before + after
    assert await told(current) == [change("overflow", "."), change("modified", "e")]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"X a\0",
        b"C \0",
        b"C ../a\0",
        b"C a/../b\0",
        b"C /a\0",
        b"C a//b\0",
        b"R a\0",
        b"R a//\0",
        b"R a//..\0",
        b"\0",
        b"C " + b"a" * 5000 + b"\0",
        b"C " + b"a" * 20_000,
    ],
)
async def test_nonsense_ends_the_watch(alone: Sandbox, nonsense: bytes) -> None:
    await tells(alone, lambda pipe: _write_all(pipe, b"C good\0" + nonsense + b"C later\0" * 30_000))
    async with watching(alone, path="") as lines:
        told = [line async for line in lines]
    assert [line["type"] for line in told[:-1]] == ["alive", "created"]
    assert told[-1]["error"]["code"] == "workspace-misbehaved"
    assert (await alone.http.get("/readyz")).status_code == 200


def _write_all(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


async def test_a_flood_that_nobody_reads_is_bounded(alone: Sandbox) -> None:
    written = threading.Event()

    def flood(pipe: int) -> None:
        for number in range(60_000):
            _write_all(pipe, f"C {number:06}{'x' * 200}\0".encode())
        written.set()
        _write_all(pipe, b"C last\0")
        threading.Event().wait(PATIENCE)

    await tells(alone, flood)
    async with watching(alone, path="") as lines:
        assert await anext(lines) == ALIVE
        assert await anyio.to_thread.run_sync(written.wait, PATIENCE)  # though nobody reads
        told = await until(lines, change("created", "last"))
    assert change("overflow", ".") in told
    assert len(json.dumps(told)) < 16 << 20
