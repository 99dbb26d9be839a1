"""What a workspace said before it was gone, or said too late: nothing of it is lost, and nothing of it is left."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from kubebox_sandbox.workspace import Answer, Workspace
from kubebox_sandbox.workspace.listener import Listener

from .conftest import PATIENCE, Sandbox, eventually

FILES: Final = "/v1/sessions/main/files"

INIT: Final = """
import json, socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect(sys.argv[1])
line.send(json.dumps({"event": "hello", "version": 1, "secret": ""}).encode())
line.recv(70000)
sys.stdin.read(1)
for number in range(5):
    line.send(json.dumps({"event": "exited", "execution": str(number), "code": 0, "signal": None}).encode())
"""
"""A workspace that tells of five ends and dies, without having read what it was asked."""


class World:
    """A server's side of the line, and what it has heard."""

    def __init__(self, folder: Path) -> None:
        self.control = folder / "control"
        self.heard: list[str] = []
        self.known: list[bool] = []
        self.gone = asyncio.Event()
        for each in (self.control, folder / "state"):
            each.mkdir()
        self.workspace = Workspace(
            folder / "state",
            lambda exited: self.heard.append(exited.execution),
            lambda: None,
            self.gone.set,
            self.known.append,
            return_seconds=0.05,
        )

    @asynccontextmanager
    async def init(self) -> AsyncGenerator["subprocess.Popen[bytes]"]:
        command = [sys.executable, "-c", INIT, str(self.control / "line.sock")]
        # Whose end the server must not see at once, so nobody here waits for it in the event loop.
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: ASYNC220
            await eventually(lambda: self.workspace.connected)
            self.gone.clear()
            yield process


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    world = World(tmp_path)
    async with Listener(world.workspace, os.getuid()).listening(world.control):
        yield world
    world.workspace.close()


def look_at(answer: asyncio.Future[Answer]) -> None:
    answer.exception()


@pytest.mark.parametrize("asked", ["nothing", "before", "after"])
async def test_the_ends_that_a_workspace_told_before_it_died_are_heard(world: World, asked: str) -> None:
    async with world.init() as process:
        if asked == "before":
            world.workspace.ask("ping", {}).add_done_callback(look_at)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)  # The server does nothing meanwhile: all of it lies there when it looks.
        if asked == "after":
            world.workspace.ask("ping", {}).add_done_callback(look_at)
        with anyio.fail_after(PATIENCE):
            await world.gone.wait()
    assert world.heard == list("01234")


async def test_a_workspace_that_never_got_its_welcome_is_known_again(world: World) -> None:
    def hello(secret: str) -> socket.socket:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.connect(str(world.control / "line.sock"))
        line.send(b'{"event": "hello", "version": 1, "secret": "%s"}' % secret.encode())
        return line

    async def welcomed(secret: str) -> tuple[socket.socket, dict[str, Any]]:
        await eventually((world.control / "line.sock").exists)
        line = hello(secret)
        line.setblocking(False)
        welcome = await asyncio.get_running_loop().sock_recv(line, 1 << 16)
        return line, json.loads(welcome)

    line, first = await welcomed("")
    line.close()
    await eventually((world.control / "line.sock").exists)
    hello(first["welcome"]).close()  # It gives up waiting just as the server takes it.
    await eventually(lambda: len(world.known) == 2)
    line, second = await welcomed(first["welcome"])
    assert (second["fresh"], world.known) == (False, [False, True, True])
    line.close()
    await eventually((world.control / "line.sock").exists)
    line, third = await welcomed(second["welcome"])
    line.close()
    await eventually((world.control / "line.sock").exists)
    line, fourth = await welcomed(first["welcome"])  # It has shown a later one since.
    assert (third["fresh"], fourth["fresh"]) == (False, True)
    line.close()


async def test_a_write_that_outlives_its_workspace_puts_no_other_file_in_place(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    answers: dict[str, int] = {}

    async def put(name: str, go: anyio.Event) -> None:
        async def body() -> AsyncGenerator[bytes]:
            yield name.encode()
            await go.wait()
            yield b"."

        answer = await sandbox.request("PUT", FILES, params={"path": name}, content=body())
        answers[name] = answer.status_code

    def drafts() -> list[Path]:
        return list(sandbox.workspace.glob(".kubebox-*"))

    first, second = anyio.Event(), anyio.Event()
    async with sandbox.open(), sandbox.serving(), anyio.create_task_group() as group:
        async with sandbox.workspace_running() as init:
            await sandbox.ready()
            await sandbox.session()
            (sandbox.workspace / "b").write_text("old")
            group.start_soon(put, "a", first)
            await eventually(lambda: len(drafts()) == 1)
            init.kill()
            await init.wait()
        async with sandbox.workspace_running():
            await sandbox.ready()
            group.start_soon(put, "b", second)
            await eventually(lambda: len(drafts()) == 2)
            first.set()
            await eventually(lambda: "a" in answers)
            assert (sandbox.workspace / "b").read_text() == "old"
            second.set()
            await eventually(lambda: "b" in answers)
    assert answers == {"a": 503, "b": 200}
    assert (sandbox.workspace / "b").read_text() == "b."


async def test_a_new_file_that_comes_too_late_is_removed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Workspace.ask

    def impatient(workspace: Workspace, operation: str, fields: dict[str, Any], **options: Any) -> Any:
        if operation == "create":
            options["deadline"] = 0.1
        return ask(workspace, operation, fields, **options)

    descriptors = f"/proc/{sandbox.init.pid}/fd"
    before = len(os.listdir(descriptors))
    async with sandbox.stopped_workspace():
        monkeypatch.setattr(Workspace, "ask", impatient)
        answers = [await sandbox.request("PUT", f"{FILES}?path=f{i}", content=b"x") for i in range(3)]
    assert {answer.json()["code"] for answer in answers} == {"workspace-unavailable"}
    monkeypatch.setattr(Workspace, "ask", ask)
    assert (await sandbox.request("PUT", f"{FILES}?path=last", content=b"x")).status_code == 200
    await eventually(
        lambda: os.listdir(sandbox.workspace) == ["last"] and len(os.listdir(descriptors)) <= before
    )


async def test_an_upload_hears_that_its_workspace_was_given_up(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubebox_sandbox.files.archive.ARCHIVE_SECONDS", 0.2)
    async with sandbox.stopped_workspace():
        with anyio.fail_after(PATIENCE / 2):
            answer = await sandbox.request("PUT", f"{FILES}/archive?path=", content=bytes(8 << 20))
        assert answer.json()["code"] == "workspace-unavailable"
