"""What listens in the workspace is as bad as it likes: the server holds little for it, and others are served meanwhile."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import pytest

from kubebox import errors
from kubebox.testing import Box
from kubebox_cluster.names import SERVER_PORT
from kubebox_protocol.limits import PORT_WINDOW_BYTES
from kubebox_protocol.ports import connection_target, port_target
from kubebox_sandbox.ports.ports import MAX_PORT_CONNECTIONS
from tests.soak.places import Place, another, server
from tests.soak.raw import rest
from tests.soak.sizes import LIMIT, figure, mebibytes, sized
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

STALLED = sized(30, 200)
"""Connections on which one side sends all it can, and the other takes nothing."""

HELD_BYTES = PORT_WINDOW_BYTES + 256 * 1024
"""Bytes that one of them may take in the server: a window, and what is in its WebSocket's buffers."""

RESET_AT_CLOSE = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER of somebody who breaks off. An end in good order would come behind all that was sent, and so never."""

GROWTH_BYTES = 16 * 1024**2

SERVER = """
import socket, sys, threading, time
def flood(c):
    while True:
        c.sendall(bytes(65536))
def silent(c):
    threading.Event().wait()
def run(c):
    try:
        ACT(c)
    except OSError:
        c.close()
s = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(s.getsockname()[1], flush=True)
while True:
    threading.Thread(target=run, args=(s.accept()[0],), daemon=True).start()
"""

NEVER_TAKES = """
import socket, threading
s = socket.create_server(("127.0.0.1", 0), backlog=0)
held = socket.create_connection(s.getsockname())  # its one place
print(s.getsockname()[1], flush=True)
threading.Event().wait()
"""


async def test_a_flood_that_nobody_reads_stays_where_it_is(own: Place) -> None:
    box = await own.box()
    port = await _serves(box, SERVER.replace("ACT", "flood"))
    with server(own) as process:
        before = process.usage()
        async with contextlib.AsyncExitStack() as held:
            url = await own.client.ports.url(port)
            for _ in range(STALLED):
                reader = await held.enter_async_context(_connected(url))
                await reader.readexactly(1)
            assert (await box.wait("echo alive")).stdout == "alive\n"
            grown = process.usage().resident - before.resident
        figure(f"{STALLED} connections that nobody reads", server_grew=mebibytes(grown))
        assert grown < STALLED * HELD_BYTES + GROWTH_BYTES
        await eventually(lambda: process.usage().descriptors <= before.descriptors + 2)


async def test_a_server_that_takes_connections_and_says_nothing_takes_no_others_place(own: Place) -> None:
    box = await own.box()
    port = await _serves(box, SERVER.replace("ACT", "silent"))
    with server(own) as process:
        before = process.usage()
        async with (
            another(own) as client,
            own.client.ports.forward(port) as forward,
            contextlib.AsyncExitStack() as held,
        ):
            for _ in range(MAX_PORT_CONNECTIONS + 1):
                await held.enter_async_context(_connected(forward.url))
            assert isinstance(await forward.refused(), errors.TooManyRequests)
            assert (await client.list_sessions())[-1].session_id == box.session_id
            assert (await box.wait("echo alive")).stdout == "alive\n"
        await eventually(lambda: process.usage().descriptors <= before.descriptors + 2)


async def test_what_is_sent_to_a_server_that_never_reads_is_not_kept(own: Place) -> None:
    box = await own.box()
    port = await _serves(box, SERVER.replace("ACT", "silent"))
    with server(own) as process:
        before = process.usage()
        async with contextlib.AsyncExitStack() as held:
            address = urlsplit(await own.client.ports.url(port))
            loop = asyncio.get_running_loop()
            for _ in range(STALLED):
                connection = held.enter_context(socket.create_connection((address.hostname, address.port)))
                connection.setblocking(False)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):  # the fault itself: time in which nobody reads
                        await loop.sock_sendall(connection, bytes(16 * 1024**2))
            grown = process.usage().resident - before.resident
        figure(f"{STALLED} connections to one that never reads", server_grew=mebibytes(grown))
        assert grown < STALLED * HELD_BYTES + GROWTH_BYTES
        assert (await box.wait("echo alive")).stdout == "alive\n"
        await eventually(lambda: process.usage().descriptors <= before.descriptors + 2)


async def test_a_server_that_takes_no_connection_is_given_up(own: Place) -> None:
    box = await own.box()
    port = await _serves(box, NEVER_TAKES)
    assert (await rest(own.client, "GET", port_target(port))).json() == {"port": port, "open": False}
    assert (await box.wait("echo alive")).stdout == "alive\n"


async def test_ports_of_this_machine_are_none_of_the_workspaces(own: Place) -> None:
    """The server's own port, and any other of this machine's: in the workspace nothing listens there."""
    mine = (
        urlsplit(own.url).port or SERVER_PORT
    )  # In a pod, which has one network, it is this one behind the load balancer's.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for port in (mine, listening.getsockname()[1]):
            answer = await rest(own.client, "GET", port_target(port))
            assert answer.json().get("open") is False or answer.json()["code"] == "port-refused"
    for path in ("/v1/ports/127.0.0.1:80", "/v1/ports/80@169.254.169.254", f"{connection_target(80)}/x"):
        assert (await rest(own.client, "GET", path)).status_code in (400, 404)


async def test_the_end_of_the_workspaces_server_ends_its_connections(own: Place) -> None:
    box = await own.box()
    stream = await box.stream(["python3", "-c", SERVER.replace("ACT", "silent")])
    port = int((await box.first_output(stream)).output)
    async with _connected(await own.client.ports.url(port)) as reader:
        await own.client.ports.wait(port)
        await stream.kill(grace=0)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""


async def _serves(box: Box, program: str) -> int:
    stream = await box.stream(["python3", "-c", program])
    return int((await box.first_output(stream)).output)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    try:
        yield reader
    finally:
        writer.transport.abort()
