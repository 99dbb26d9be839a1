"""A hostile workspace: whatever comes over the line, the server goes on."""

import array
import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from kubebox_protocol.errors import Refused
from kubebox_sandbox.workspace import Answer, Failed, Workspace, closer, requests
from kubebox_sandbox.workspace.line import Line
from kubebox_sandbox.workspace.messages import Hello

from .conftest import PATIENCE, Client, Sandbox, eventually

Lie = Callable[["FakeInit", dict[str, Any], list[int]], None]


OPENED: list[socket.socket] = []


@pytest.fixture(autouse=True)
def close_fakes() -> Generator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


class FakeInit:
    """The other side of the line, as bad as a test wants it."""

    def __init__(self, control: Path, memory: Sequence[int] = ()) -> None:
        self.memory = list(memory)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        OPENED.append(self.socket)
        deadline = time.monotonic() + PATIENCE
        while True:  # As init does: while there is a line, there is nothing to connect to.
            try:
                self.socket.connect(str(control / "line.sock"))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise

    def hello(self, **changes: Any) -> dict[str, Any]:
        self.send({"event": "hello", "version": 1, "secret": "", "pid": 1, "uid": 0, "gid": 0, **changes})
        return json.loads(self.socket.recv(1 << 17))

    def send(self, message: Any, descriptors: list[int] | None = None) -> None:
        packet = message if isinstance(message, bytes) else json.dumps(message).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors or []))]
        self.socket.sendmsg([packet], rights if descriptors else [])

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next request, but for the one that each workspace is asked first."""
        while True:
            packet, descriptors, _, _ = socket.recv_fds(self.socket, 1 << 17, 8)
            request: dict[str, Any] = json.loads(packet) if packet else {}
            if request.get("op") != "memory":
                return request, descriptors
            self.send({"id": request["id"], "ok": {"files": self.memory}}, self.memory)

    def serve(self, answer: Lie) -> None:
        """Answer requests until the server has had enough."""
        while True:
            request, descriptors = self.receive()
            if not request:
                return
            answer(self, request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)

    def is_broken(self) -> bool:
        try:
            while self.socket.recv(1 << 17):
                pass
        except ConnectionResetError:
            pass
        return True


async def recovers(sandbox: Sandbox) -> None:
    async with sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        assert (await sandbox.run("echo fine"))["stdout"] == b"fine\n"


async def in_thread(work: Callable[[], Any]) -> Any:
    with anyio.fail_after(PATIENCE):
        return await to_thread.run_sync(work)


async def test_without_a_workspace_requests_say_so(alone: Sandbox) -> None:
    ready = await alone.http.get("/readyz")
    assert (ready.status_code, "has not connected" in ready.json()["status"]) == (503, True)
    answer = await alone.request("POST", "/v1/sessions", json={"session_id": "main", "path": ""})
    assert (answer.status_code, answer.json()["code"]) == (503, "workspace-unavailable")
    await recovers(alone)


@pytest.mark.parametrize(
    "packet",
    [
        b"x",
        b"[]",
        b"null",
        b'{"event": "exited"}',
        b'{"event": "nonsense"}',
        b'{"event": "exited", "execution": "x", "code": "0"}',
        b'{"event": "exited", "execution": "x", "code": 256}',
        b'{"event": "exited", "execution": "x", "code": true}',
        b'{"event": "exited", "execution": 5, "code": 0}',
        b'{"id": 999, "ok": {}}',
        b'{"id": "1", "ok": {}}',
        b'{"id": true, "ok": {}}',
        b'{"ok": {}}',
        b"[" * 60_000,
        b'{"event": "exited", "execution": "' + b"x" * 60_000 + b'"}',
        b" " * 65_537,
        b"\xff" * 100,
    ],
    ids=range(17),
)
async def test_nonsense_breaks_the_line_and_nothing_else(alone: Sandbox, packet: bytes) -> None:
    def misbehave() -> bool:
        fake = FakeInit(alone.control)
        assert fake.hello()["fresh"] is True
        fake.send(packet)
        return fake.is_broken()

    assert await in_thread(misbehave)
    await recovers(alone)


@pytest.mark.parametrize(
    "packet", [b"x", b"{}", b'{"event": "hello"}', b'{"event": "hello", "version": 2, "secret": ""}']
)
async def test_a_bad_hello(alone: Sandbox, packet: bytes) -> None:
    def misbehave() -> bool:
        fake = FakeInit(alone.control)
        fake.send(packet)
        return fake.is_broken()

    assert await in_thread(misbehave)
    await recovers(alone)


async def test_one_line_at_a_time(alone: Sandbox) -> None:
    def try_two() -> bool:
        first = FakeInit(alone.control)
        return FakeInit(alone.control).is_broken() and first.hello()["fresh"]

    assert await in_thread(try_two)


async def test_while_there_is_a_line_there_is_nothing_to_connect_to(alone: Sandbox) -> None:
    def come_and_go() -> None:
        for _ in range(2):
            fake = FakeInit(alone.control)
            fake.hello()
            assert os.listdir(alone.control) == []
            fake.socket.close()

    await in_thread(come_and_go)
    await recovers(alone)


def lingering() -> tuple[socket.socket, socket.socket]:
    """A socket whose last close blocks for half a minute, unless its other side goes first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    one.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(65536))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30))
    return one, other


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("place", ["refused", "hello", "event", "unread"])
async def test_a_close_that_blocks_stops_nobody(alone: Sandbox, place: str, count: int) -> None:
    pairs = [lingering() for _ in range(count)]
    with anyio.fail_after(10):
        if place == "event":
            fake = await in_thread(lambda: connected(alone))
        else:
            fake = FakeInit(alone.control)
            if place == "refused":
                fake = FakeInit(alone.control)
        # Without a pause, so that the server's turn comes when these are no longer ours, and its close is the last.
        for packet in [b"x", b"x"] if place == "unread" else [b"x"]:
            fake.send(packet, [one.fileno() for one, _ in pairs])
        for one, _ in pairs:
            one.close()
        for _ in range(20):
            assert (await alone.http.get("/healthz")).status_code == 200
        assert await in_thread(fake.is_broken)
    for _, other in pairs:
        other.close()
    while OPENED:
        OPENED.pop().close()
    await recovers(alone)


async def test_a_closer_that_is_stuck_costs_the_line_and_not_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(closer, "THREADS", 1)
    monkeypatch.setattr(closer, "MAX_WAITING", 3)
    stuck: list[bool] = []
    closes = closer.Closer(lambda: stuck.append(True))
    one, other = lingering()
    pipes = [end for _ in range(2) for end in os.pipe()]
    closes.give([one.detach()])
    await eventually(lambda: not closes.waiting)
    closes.give(pipes)
    assert closes.stuck
    assert stuck == [True]
    other.close()
    closes.end()
    await eventually(lambda: not closes.stuck)
    await eventually(lambda: not any(os.path.exists(f"/proc/self/fd/{pipe}") for pipe in pipes[:3]))
    os.close(pipes[3])


async def test_another_user_is_turned_away(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["workspace_uid"] = os.getuid() + 1
    async with sandbox.open(), sandbox.serving():
        await sandbox.http.get("/healthz")
        assert await in_thread(lambda: FakeInit(sandbox.control).is_broken())


async def test_descriptors_that_nobody_asked_for(alone: Sandbox) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def misbehave() -> bool:
        for count in (1, 3, 253):
            fake = FakeInit(alone.control)
            fake.hello()
            fake.send({"event": "exited", "execution": "x", "code": 0}, [0] * count)
            fake.is_broken()
            fake.socket.close()
        return True

    assert await in_thread(misbehave)
    await recovers(alone)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)


def memfd() -> int:
    descriptor = os.memfd_create("x")
    os.write(descriptor, b"secret")
    return descriptor


def fifo() -> int:
    return os.pipe()[0]


@pytest.mark.parametrize(
    ("operation", "answer", "make", "code"),
    [
        ("open", {}, memfd, "workspace-misbehaved"),
        ("open", {}, fifo, "file-not-regular"),
        ("open", {}, lambda: os.open("/dev/zero", os.O_RDONLY), "file-not-regular"),
        ("open", {}, lambda: os.open("/", os.O_RDONLY), "is-a-directory"),
        ("open", {}, lambda: os.open("/proc/version", os.O_RDONLY), "file-not-regular"),
        ("open", {}, lambda: os.open("/sys/kernel/uevent_seqnum", os.O_RDONLY), "file-not-regular"),
        ("create", {"ticket": 1}, lambda: os.open("/proc/self/oom_score_adj", os.O_RDWR), "file-not-regular"),
        ("open", {}, None, "workspace-misbehaved"),
        ("create", {"ticket": 1}, memfd, "workspace-misbehaved"),
        ("create", {"ticket": 1}, fifo, "workspace-misbehaved"),
        ("create", {"ticket": 1}, lambda: os.open("/etc/passwd", os.O_RDONLY), "workspace-misbehaved"),
        ("create", {"ticket": "x"}, None, "workspace-misbehaved"),
        ("stat", {"type": "f", "size": -1, "mode": 0, "modified_ns": 0}, None, "workspace-misbehaved"),
        ("stat", {"type": "evil", "size": 1, "mode": 0, "modified_ns": 0}, None, "workspace-misbehaved"),
        ("stat", {"type": "f", "size": 2**70, "mode": 0, "modified_ns": 0}, None, "workspace-misbehaved"),
        ("stat", {}, None, "workspace-misbehaved"),
        ("stat", {"error": "EWHAT"}, None, "internal-error"),
        ("stat", {"error": "x" * 100}, None, "workspace-misbehaved"),
        ("stat", {"error": 5}, None, "workspace-misbehaved"),
    ],
    ids=range(19),
)
async def test_lies(
    alone: Sandbox, operation: str, answer: dict[str, Any], make: Callable[[], int] | None, code: str
) -> None:
    def lie(fake: FakeInit, request: dict[str, Any], descriptors: list[int]) -> None:
        if request["op"] != operation:
            fake.send({"id": request["id"], "ok": {}})
        elif "error" in answer:
            fake.send({"id": request["id"], "error": {"errno": answer["error"], "what": "path"}})
        else:
            made = [make()] if make else []
            fake.send({"id": request["id"], "ok": answer}, made)
            for descriptor in made:
                os.close(descriptor)

    async with anyio.create_task_group() as group:
        fake = await in_thread(lambda: connected(alone))
        group.start_soon(to_thread.run_sync, fake.serve, lie)
        await alone.ready()
        await alone.session()
        route = "/v1/sessions/main/files" + ("/stat" if operation == "stat" else "")
        method = "PUT" if operation == "create" else "GET"
        answered = await alone.request(method, route, params={"path": "file"})
        assert answered.json()["code"] == code, answered.text
        fake.socket.shutdown(socket.SHUT_RDWR)
    await recovers(alone)


def connected(sandbox: Sandbox) -> FakeInit:
    fake = FakeInit(sandbox.control)
    fake.hello()
    return fake


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"x\0",
        b"f 644 1 1\0",
        b"f 9 1 1 a\0",
        b"f 644 x 1 a\0",
        b"q 644 1 1 a\0",
        b"f 644 1 1 " + b"a" * 9000,
    ],
    ids=range(7),
)
async def test_a_listing_of_nonsense(alone: Sandbox, content: bytes) -> None:
    def lie(fake: FakeInit, request: dict[str, Any], descriptors: list[int]) -> None:
        if request["op"] == "list":
            os.write(descriptors[0], content)
        fake.send({"id": request["id"], "ok": {"entries": 1}})

    async with anyio.create_task_group() as group:
        fake = await in_thread(lambda: connected(alone))
        group.start_soon(to_thread.run_sync, fake.serve, lie)
        await alone.ready()
        await alone.session()
        answer = await alone.request("POST", "/v1/sessions/main/files/list", json={})
        assert answer.json()["code"] == "workspace-misbehaved", answer.text
        fake.socket.shutdown(socket.SHUT_RDWR)


def ignore(*_: object) -> None:
    pass


async def test_one_that_never_reads_does_not_stop_the_server(tmp_path: Path) -> None:
    lost: list[str] = []
    workspace = Workspace(tmp_path, ignore, ignore, lambda: lost.append("lost"), ignore)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    line = Line(ours, workspace.closer, workspace.packet, workspace.lost)
    workspace.welcome(line, Hello(event="hello", version=1))
    lost.clear()
    asked: list[asyncio.Future[Answer]] = []
    while workspace.connected:
        asked.append(workspace.ask("start", {"execution": "x" * 1000}, descriptors=[writing]))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {outcome.code for outcome in outcomes if isinstance(outcome, Refused)} == {"workspace-misbehaved"}
    assert lost == ["lost"]
    theirs.close()
    os.close(writing)
    assert os.read(reading, 1) == b""  # No duplicate of it is left anywhere.
    os.close(reading)


async def test_one_that_never_answers_hangs_nobody(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, ignore, ignore, ignore, ignore)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = Line(ours, workspace.closer, workspace.packet, workspace.lost)
    workspace.welcome(line, Hello(event="hello", version=1))
    with pytest.raises(Refused) as caught:
        await workspace.request("ping", {}, deadline=0.05)
    assert caught.value.code == "workspace-unavailable"
    theirs.recv(1 << 16)
    number = json.loads(theirs.recv(1 << 16))["id"]
    theirs.send(json.dumps({"id": number, "ok": {}}).encode())  # Late, which is no crime.
    waiting = workspace.ask("ping", {})
    theirs.send(json.dumps({"id": json.loads(theirs.recv(1 << 16))["id"], "ok": {}}).encode())
    assert (await waiting).fields == {}
    assert workspace.connected
    line.close()
    theirs.close()


async def test_what_runs_ends_with_the_workspace(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    async with sandbox.open(), sandbox.serving():
        async with sandbox.workspace_running() as init:
            await sandbox.ready()
            await sandbox.session()
            client = Client(sandbox)
            await client.connect()
            started = await client.start("echo before; exec sleep 20", credit=1 << 20, mode="stream")
            await client.wait_for("execution.output", started)
            init.kill()
            await init.wait()
            ended = await client.wait_for("execution.ended", started)
            assert ended["execution"]["verdict"]["kind"] == "workspace-restarted"
            assert client.output(started) == b"before\n"
            refused = await sandbox.start("true")
            assert refused["code"] == "workspace-restarting"
        async with sandbox.workspace_running():
            await sandbox.ready()
            assert (await sandbox.run("echo again"))["stdout"] == b"again\n"
        await client.sio.disconnect()


async def test_a_path_is_never_spoken_as_text(alone: Sandbox) -> None:
    seen: list[dict[str, Any]] = []

    def note(fake: FakeInit, request: dict[str, Any], descriptors: list[int]) -> None:
        seen.append(request)
        fake.send({"id": request["id"], "ok": {}})

    async with anyio.create_task_group() as group:
        fake = await in_thread(lambda: connected(alone))
        group.start_soon(to_thread.run_sync, fake.serve, note)
        await alone.ready()
        await alone.session("s", "ü\n")
        fake.socket.shutdown(socket.SHUT_RDWR)
    (made,) = [request for request in seen if request["op"] == "make_dirs"]
    assert base64.b64decode(made["path"]).decode() == "ü\n"
    assert base64.b64decode(made["root"]).decode() == str(alone.workspace)


def test_the_workspaces_words_are_bounded_and_quoted_in_the_log() -> None:
    text = str(Failed("E" * 5000, "x\n2026 ERROR forged\x1b[2J" * 100))
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 400


async def test_what_ran_is_given_up_where_nobody_can_see_that_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod, where init's process is another container's: the line breaks, and nobody comes back for a while."""
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["return_seconds"] = 0.5
    monkeypatch.setattr(requests, "ARRIVAL_SECONDS", PATIENCE / 2)
    async with sandbox.open(), sandbox.serving():
        secrets: list[str] = []

        def serve_until(operation: str) -> None:
            fake = FakeInit(sandbox.control)
            secrets.append(fake.hello()["welcome"])
            while True:
                request, descriptors = fake.receive()
                fake.send({"id": request["id"], "ok": {}})
                for descriptor in descriptors:
                    os.close(descriptor)
                if request["op"] == operation:
                    break
            fake.socket.close()

        async with anyio.create_task_group() as group:
            group.start_soon(to_thread.run_sync, serve_until, "start")
            await sandbox.ready()
            await sandbox.session()
            started = await sandbox.start("sleep 600")
            assert started["status"] == 201
            for _ in range(3):
                began = time.monotonic()
                assert (await sandbox.start("true"))["code"] == "workspace-restarting"
                # It is not waited for, as it is after a restart of the server.
                assert time.monotonic() - began < PATIENCE / 4
            ended = await sandbox.end(started["execution_id"])
            assert ended["verdict"]["kind"] == "workspace-restarted"
            assert (await sandbox.start("true"))["code"] == "workspace-restarting"
        late = await in_thread(lambda: FakeInit(sandbox.control))
        assert (await in_thread(lambda: late.hello(secret=secrets[0])))["fresh"] is True
