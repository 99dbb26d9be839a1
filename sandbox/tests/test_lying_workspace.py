"""A workspace that lies about what runs: nothing hangs, nothing runs unseen, and nothing is lost count of."""

import asyncio
import fcntl
import os
import threading
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from kubebox_sandbox.executions.pipes import held

from .conftest import PATIENCE, Sandbox
from .test_workspace import FakeInit, close_fakes

__all__ = ["close_fakes"]

PIPE_BYTES = 65536
FOLDER = {"type": "d", "size": 0, "mode": 0o755, "modified_ns": 0}

Answer = Callable[[FakeInit, dict[str, Any], list[int]], bool]
"""Answers what has to do with commands; says whether the line stays up."""


def serve(sandbox: Sandbox, answer: Answer) -> None:
    """Be a workspace that answers everything else as it should, until its socket is closed."""
    secret, stays = "", True
    while True:
        try:
            fake = FakeInit(sandbox.control)
            secret, stays = fake.hello(secret=secret)["welcome"], True
            while stays:
                request, descriptors = fake.receive()
                if not request:
                    return
                if request["op"] in ("start", "executions", "signal", "forget"):
                    stays = answer(fake, request, descriptors)
                else:
                    fake.send({"id": request["id"], "ok": FOLDER})
            fake.socket.close()
        except OSError:
            return


async def lies(sandbox: Sandbox, answer: Answer) -> None:
    """Have such a workspace."""
    await sandbox.http.get("/healthz")
    threading.Thread(target=serve, args=(sandbox, answer), daemon=True).start()
    await sandbox.ready()
    await sandbox.session()


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncGenerator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides.update(max_executions=1)
    async with sandbox.open(), sandbox.serving():
        yield sandbox


async def test_pipes_that_are_kept_cannot_be_made_to_block_the_server(alone: Sandbox) -> None:
    kept: list[int] = []

    def answer(fake: FakeInit, request: dict[str, Any], descriptors: list[int]) -> bool:
        kept.extend(descriptors)
        for descriptor in descriptors:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
        fake.send({"id": request["id"], "ok": {"pid": 5}})
        return True

    await lies(alone, answer)
    started = await alone.start("cat", open_stdin=True)
    path = f"/v1/sessions/main/executions/{started['execution_id']}/input"
    full = {"offset": 0, "data": b64encode(bytes(PIPE_BYTES)).decode()}
    assert (await alone.request("POST", path, json=full)).status_code == 200
    assert held(kept[0]) == PIPE_BYTES  # Nobody reads.
    more = {"offset": PIPE_BYTES, "data": b64encode(b"x").decode()}
    giving = asyncio.create_task(alone.request("POST", path, json=more))
    try:
        for _ in range(10):
            began = time.monotonic()
            assert (await alone.http.get("/healthz")).status_code == 200
            assert time.monotonic() - began < PATIENCE / 4
        assert not giving.done()
    finally:
        giving.cancel()
        for descriptor in kept:
            os.close(descriptor)


async def test_a_start_that_nobody_knows_of_is_ended_when_the_workspace_is_back(alone: Sandbox) -> None:
    known: list[str] = []
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(fake: FakeInit, request: dict[str, Any], descriptors: list[int]) -> bool:
        for descriptor in descriptors:
            os.close(descriptor)
        if request["op"] == "start":
            known.append(request["execution"])
            return False
        if request["op"] == "executions":
            listed = [{"execution": known[0], "pid": 5, "ended": False, "kept": [0, 1]}] if known else []
            fake.send({"id": request["id"], "ok": {"executions": listed, "more": False}})
        else:
            if request["op"] == "signal" and request["execution"] == known[0]:
                loop.call_soon_threadsafe(signalled.set)
            fake.send({"id": request["id"], "ok": {"signalled": 1, "survivors": 0}})
        return True

    await lies(alone, answer)
    started = await alone.start("sleep 1000")
    assert (started["status"], started["code"]) == (503, "workspace-restarting")
    async with asyncio.timeout(PATIENCE):
        await signalled.wait()
    record = await alone.end(known[0])
    assert record["verdict"]["kind"] == "unknown"


async def test_an_end_of_what_never_started_is_not_counted(alone: Sandbox) -> None:
    fate = ["error"]

    def answer(fake: FakeInit, request: dict[str, Any], descriptors: list[int]) -> bool:
        for descriptor in descriptors:
            os.close(descriptor)
        if request["op"] == "start" and fate == ["error"]:
            fake.send({"event": "exited", "execution": request["execution"], "code": 0})
            fake.send({"id": request["id"], "error": {"errno": "ENOENT", "what": "program"}})
        else:
            fake.send({"id": request["id"], "ok": {"pid": 5}})
        return True

    await lies(alone, answer)
    for _ in range(3):
        assert (await alone.start(["ghost"]))["code"] == "program-not-found"
    fate[:] = ["runs"]
    assert (await alone.start(["x"]))["status"] == 201
    assert (await alone.start(["x"]))["code"] == "too-many-executions"
