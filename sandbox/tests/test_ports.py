"""Ports of the workspace: one TCP connection over one WebSocket, and nobody led anywhere else."""

import asyncio
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kubebox_protocol import relay
from kubebox_protocol.keys import new_private_key, read_private_key
from kubebox_protocol.limits import PORT_WINDOW_BYTES
from kubebox_protocol.ports import RESET, connection_target, port_target
from kubebox_sandbox.ports import ports as ports_module

from .conftest import PATIENCE, Sandbox, eventually
from .test_workspace import FakeInit, close_fakes

__all__ = ["close_fakes"]

FIRST = json.dumps({"credit": PORT_WINDOW_BYTES}, separators=(",", ":"))


@contextmanager
def listening(act: Callable[[socket.socket], object], backlog: int = 16) -> Generator[int]:
    """A server of the workspace, which in these tests has the machine's own network."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(accepted,), daemon=True).start()

        def one(accepted: socket.socket) -> None:
            with accepted:
                accepted.settimeout(PATIENCE)
                try:
                    act(accepted)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def echo(accepted: socket.socket) -> None:
    while data := accepted.recv(65536):
        accepted.sendall(data)
    accepted.sendall(b"end")


def says(text: bytes) -> Callable[[socket.socket], None]:
    return lambda accepted: accepted.sendall(text)


@asynccontextmanager
async def opened(sandbox: Sandbox, port: int, **changes: Any) -> AsyncGenerator[ClientConnection]:
    headers = {"Authorization": f"Bearer {sandbox.token('GET', connection_target(port), **changes)}"}
    url = f"ws://127.0.0.1:{sandbox.port}{connection_target(port)}"
    async with connect(url, additional_headers=headers, proxy=None, compression=None) as connection:
        yield connection


async def refusal(sandbox: Sandbox, port: Any, **headers: str) -> tuple[int, str]:
    target = connection_target(port)
    headers = {"Authorization": f"Bearer {sandbox.token('GET', target)}", **headers}
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{sandbox.port}{target}", additional_headers=headers, proxy=None):
            pass
    return caught.value.response.status_code, json.loads(caught.value.response.body or b"")["code"]


async def close_code(connection: ClientConnection) -> int | None:
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                await connection.recv()
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code


async def test_bytes_go_both_ways_against_credit_and_each_direction_ends_by_itself(sandbox: Sandbox) -> None:
    with listening(echo) as port:
        async with asyncio.timeout(PATIENCE), opened(sandbox, port) as connection:
            assert await connection.recv() == FIRST
            await connection.send(b"0123456789")
            await connection.send('{"credit":4}')
            assert await connection.recv() == b"0123"  # and no more: nobody has asked for more
            await connection.send('{"end":true}')
            await connection.send('{"credit":100}')
            received = b""
            while isinstance(message := await connection.recv(), bytes):
                received += message
            assert (received, message) == (b"456789end", '{"end":true}')
            assert await close_code(connection) == 1000


async def test_what_breaks_off_there_is_told_from_what_ends(sandbox: Sandbox) -> None:
    def cut(accepted: socket.socket) -> None:
        accepted.recv(1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(cut) as port:
        async with opened(sandbox, port) as connection:
            await connection.send('{"credit":100}')
            await connection.send(b"x")
            assert await close_code(connection) == RESET


async def test_a_client_that_is_gone_breaks_the_connection_off(sandbox: Sandbox) -> None:
    ended: list[object] = []

    def look(accepted: socket.socket) -> None:
        try:
            ended.append(accepted.recv(1))
        except ConnectionResetError as error:
            ended.append(error.errno)

    with listening(look) as port:
        async with opened(sandbox, port) as connection:
            await connection.recv()
            connection.transport.abort()
        await eventually(lambda: bool(ended))
    assert ended != [b""]


@pytest.mark.parametrize(
    "bad",
    [
        bytes(PORT_WINDOW_BYTES + 1),
        "x",
        "[]",
        '{"credit":-1}',
        '{"credit":1e3}',
        '{"token":"x"}',
        "x" * 100_000,
    ],
    ids=["over the window", "no JSON", "no object", "negative", "no whole number", "no token", "too long"],
)
async def test_whoever_breaks_the_rules_is_broken_off(sandbox: Sandbox, bad: bytes | str) -> None:
    with listening(lambda accepted: accepted.recv(1)) as port:
        async with opened(sandbox, port) as connection:
            await connection.send(bad)
            assert await close_code(connection) == RESET


async def test_refusals_come_before_the_websocket(sandbox: Sandbox, unused_port: int) -> None:
    assert await refusal(sandbox, unused_port) == (409, "port-closed")
    for wrong in (0, 65536, 999_999_999):
        assert await refusal(sandbox, wrong) == (400, "invalid-request")
    assert await refusal(sandbox, unused_port, Authorization="") == (401, "token-missing")
    assert await refusal(sandbox, unused_port, Origin="http://evil.example") == (403, "origin-refused")
    other = f"Bearer {sandbox.token('GET', connection_target(1))}"
    assert await refusal(sandbox, unused_port, Authorization=other) == (401, "token-invalid")
    for path in ("x", "-1", "1%2f..", "1/2", "0x50", ""):
        assert (await refusal(sandbox, path))[1] == "route-not-found"


async def test_what_listens_on_ipv6_alone_is_reached_as_well(sandbox: Sandbox) -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no ::1")
    with server:
        assert (await sandbox.request("GET", port_target(server.getsockname()[1]))).json()["open"]


async def test_the_servers_own_port_is_refused(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["refused_ports"] = str(sandbox.port)
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        assert await refusal(sandbox, sandbox.port) == (403, "port-refused")
        answer = await sandbox.request("GET", port_target(sandbox.port))
        assert (answer.status_code, answer.json()["code"]) == (403, "port-refused")


async def test_a_port_is_waited_for(sandbox: Sandbox, closed_port: socket.socket, unused_port: int) -> None:
    target = port_target(unused_port)
    assert (await sandbox.request("GET", target)).json() == {"port": unused_port, "open": False}
    began = time.monotonic()
    assert not (await sandbox.request("GET", f"{target}?wait=0.3")).json()["open"]
    assert time.monotonic() - began >= 0.3
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(sandbox.request("GET", f"{target}?wait=15"))
        await sandbox.request("GET", target)
        closed_port.listen()
        assert (await asked).json() == {"port": unused_port, "open": True}
    for wrong in (f"{target}?wait=21", f"{target}?wait=-1", f"{target}?wait=nan", port_target(0)):
        assert (await sandbox.request("GET", wrong)).json()["code"] == "invalid-request"


async def test_there_are_no_more_than_so_many(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports_module, "MAX_PORT_CONNECTIONS", 1)
    monkeypatch.setattr(ports_module, "MAX_PORT_WAITS", 0)
    with listening(echo) as port:
        async with opened(sandbox, port) as connection:
            await connection.recv()
            assert await refusal(sandbox, port) == (429, "too-many-requests")
        async with opened(sandbox, port) as connection:  # the place is free again
            assert await connection.recv() == FIRST
        assert (await sandbox.request("GET", port_target(port))).json()["code"] == "too-many-requests"


async def test_an_answer_to_what_was_not_read_to_its_end_still_comes(sandbox: Sandbox) -> None:
    """As of a server that refuses a long upload: it answers, and closes with bytes unread, which is a reset."""

    def refuse(accepted: socket.socket) -> None:
        accepted.recv(1)
        accepted.sendall(b"too long")

    with listening(refuse) as port:
        async with asyncio.timeout(PATIENCE), opened(sandbox, port) as connection:
            await connection.send('{"credit":1000}')
            await connection.send(bytes(PORT_WINDOW_BYTES))
            answer = b""
            while len(answer) < 8:
                message = await connection.recv()
                answer += message if isinstance(message, bytes) else b""
            assert answer == b"too long"


@pytest.mark.parametrize("last", ['{"end":true}', None], ids=["after its end", "amid"])
async def test_whoever_is_gone_keeps_no_place_before_one_that_never_reads(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, last: str | None
) -> None:
    monkeypatch.setattr(ports_module, "MAX_PORT_CONNECTIONS", 1)
    monkeypatch.setattr(relay, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(relay, "BROKEN_OFF_SECONDS", 0.1)
    released = threading.Event()
    with listening(lambda accepted: accepted.recv(1, socket.MSG_PEEK) and released.wait(PATIENCE)) as port:
        async with opened(sandbox, port) as connection:
            assert await connection.recv() == FIRST
            granted = PORT_WINDOW_BYTES
            while granted:  # until nobody takes any more: there is no further credit then
                await connection.send(bytes(granted))
                granted = 0
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        granted = json.loads(await connection.recv())["credit"]
            if last is not None:
                await connection.send(last)

        async def is_free() -> bool:
            try:
                async with opened(sandbox, port):
                    return True
            except InvalidStatus:
                return False

        await eventually(is_free)
        released.set()


async def test_a_connection_ends_with_its_token_unless_there_is_a_next_one(sandbox: Sandbox) -> None:
    with listening(echo) as port:
        # Enough to open both, and to bring the next token, on a busy machine.
        async with opened(sandbox, port, lifetime=6) as ends, opened(sandbox, port, lifetime=6) as lasts:
            await lasts.recv()
            token = sandbox.token("GET", connection_target(port), lifetime=600)
            await lasts.send(json.dumps({"token": token}))
            assert await close_code(ends) == 1008
            await lasts.send(b"x")
            await lasts.send('{"credit":1}')
            assert await lasts.recv() == b"x"
            await lasts.send(json.dumps({"token": token}))  # a second time
            assert await close_code(lasts) == RESET


async def test_the_next_token_must_be_of_the_same_key(sandbox: Sandbox) -> None:
    with listening(echo) as port:
        async with opened(sandbox, port) as connection:
            key = read_private_key(new_private_key())
            token = sandbox.token("GET", connection_target(port), key=key)
            await connection.send(json.dumps({"token": token}))
            assert await close_code(connection) == RESET


async def test_without_a_workspace_it_is_said(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    async with sandbox.open(), sandbox.serving():
        assert await refusal(sandbox, 80) == (503, "workspace-unavailable")


async def test_a_workspace_that_passes_another_connection_is_not_believed(tmp_path: Path) -> None:
    closed: list[bytes] = []
    with (
        listening(echo) as wanted,
        listening(lambda accepted: closed.append(accepted.recv(1))) as other,
    ):
        sandbox = Sandbox(tmp_path)
        async with sandbox.open(), sandbox.serving():
            makes = [_elsewhere(other), _unix, _listens, _datagram, _pipe, _unconnected]
            await _has_workspace(sandbox, makes)
            while makes:
                left = len(makes)
                answer = await sandbox.request("GET", port_target(wanted))
                assert (answer.status_code, answer.json()["code"]) == (502, "workspace-misbehaved"), left
        await eventually(lambda: closed == [b""])


async def test_a_connection_that_is_made_to_block_blocks_nobody(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    kept: list[socket.socket] = []

    def blocking(port: int) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", port))
        kept.append(made.dup())
        made.setblocking(True)
        return made

    with listening(lambda accepted: threading.Event().wait(PATIENCE)) as port:
        async with sandbox.open(), sandbox.serving():
            await _has_workspace(sandbox, [blocking])
            async with opened(sandbox, port) as connection:
                granted = json.loads(await connection.recv())["credit"]
                async with asyncio.timeout(PATIENCE):
                    while granted:  # Until nobody takes any more: there is no further credit then.
                        await connection.send(bytes(granted))
                        try:
                            async with asyncio.timeout(0.5):
                                granted = json.loads(await connection.recv())["credit"]
                        except TimeoutError:
                            granted = 0
                assert (await sandbox.http.get("/healthz")).status_code == 200
    for each in kept:
        each.close()


@pytest.fixture
def closed_port() -> Generator[socket.socket]:
    """A port on which nobody listens, and which is held so that no other test's server gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


@pytest.fixture
def unused_port(closed_port: socket.socket) -> int:
    return closed_port.getsockname()[1]


Make = Callable[[int], Any]


async def _has_workspace(sandbox: Sandbox, makes: list[Make]) -> None:
    """Have a workspace that answers one request to connect after the other with what it likes."""
    await sandbox.http.get("/healthz")
    threading.Thread(target=_answer, args=(FakeInit(sandbox.control), makes), daemon=True).start()
    await sandbox.ready()


def _answer(fake: FakeInit, makes: list[Make]) -> None:
    fake.hello()
    try:
        while (request := fake.receive()[0]) and makes:
            if request["op"] == "dial":
                made = makes.pop(0)(request["port"])
                fake.send({"id": request["id"], "ok": {"family": "ipv4"}}, [made.fileno()])
                made.close()
            else:
                fake.send({"id": request["id"], "ok": {"executions": [], "more": False}})
    except OSError:
        return  # It was closed, at the end of the test.


def _elsewhere(port: int) -> Make:
    return lambda _: socket.create_connection(("127.0.0.1", port))


def _unix(_: int) -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.close()
    return theirs


def _listens(_: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _datagram(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect(("127.0.0.1", port))
    return made


def _pipe(_: int) -> Any:
    reading, writing = os.pipe()
    os.close(writing)
    return os.fdopen(reading, "rb")


def _unconnected(_: int) -> socket.socket:
    return socket.socket()
