"""Ports: what listens in the sandbox, reached from here by programs that know nothing of sandboxes."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import urlsplit

from kubebox import errors
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true

LARGE: Final = 3 * 1024 * 1024 + 17
"""Bytes that go both ways: several times what may be on the way."""

ONE_AFTER_THE_OTHER: Final = 200

STALLED_BYTES: Final = 64 * 1024 * 1024
"""Bytes that are offered to somebody who doesn't read."""

MOST_HELD: Final = 24 * 1024 * 1024
"""Bytes of them that may be taken all the same: by our windows, and by the kernels' buffers of four connections."""

_SERVER: Final = """
import socket, threading
def echo(c):
    while data := c.recv(65536):
        c.sendall(data)
def last(c):
    data = bytearray()
    while piece := c.recv(65536):
        data += piece
    c.sendall(str(len(data)).encode() + b"\\n" + bytes(data[::-1]))
def deaf(c):
    c.recv(1, socket.MSG_PEEK)
    threading.Event().wait()
def flood(c):
    while True:
        c.sendall(bytes(65536))
def cut(c):
    c.recv(1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
def refuse(c):
    c.recv(1)
    c.sendall(b"too long")
def serve(c, act):
    with c:
        try:
            act(c)
        except OSError:
            pass
s = socket.create_server(("127.0.0.1", 0), backlog=128)
print(s.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(s.accept()[0], ACT), daemon=True).start()
"""


async def a_web_server_is_reached(box: Box) -> None:
    """What listens on 127.0.0.1 in the sandbox is waited for, and has a URL here: the same each time."""
    await box.wait("echo hello > page")
    port = await _free_port(box)
    server = ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    await box.background(["sh", "-c", f"sleep 1; exec {' '.join(server)}"])
    ports = box.client.ports
    await ports.wait(port, timeout=30)
    url = await ports.url(port)
    equal(await ports.url(port), url, "the second URL")
    for _ in range(2):
        async with _connected(url) as (reader, writer):
            writer.write(b"GET /page HTTP/1.0\r\nHost: x\r\n\r\n")
            answer = await reader.read()
            true(answer.startswith(b"HTTP/1.0 200 ") and answer.endswith(b"\r\n\r\nhello\n"), repr(answer))


async def bytes_are_exact_both_ways(box: Box) -> None:
    """Some megabytes go there and come back as they were, at the same time."""
    data = os.urandom(LARGE)
    async with _connected(await _served(box, "echo")) as (reader, writer):

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        _, back = await asyncio.gather(send(), reader.read())
    true(back == data, f"{len(back)} bytes came back, or others than were sent")


async def one_direction_may_end_before_the_other(box: Box) -> None:
    """Who has sent all of a question says so, and then reads the answer."""
    data = os.urandom(LARGE)
    async with _connected(await _served(box, "last")) as (reader, writer):
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
    true(answer == b"%d\n" % len(data) + data[::-1], f"an answer of {len(answer)} bytes")


async def a_port_on_which_nothing_listens(box: Box) -> None:
    """It is a typed error for who waits, and a connection that breaks off for who doesn't."""
    port = await _free_port(box)
    ports = box.client.ports
    await refused(ports.wait(port, timeout=0.2), errors.PortTimeout, "port-timeout")
    async with ports.forward(port) as forward:
        await _breaks_off(forward.url)
        equal((await forward.refused()).code, "port-closed", "what was told")
    for wrong in (0, 65536, -1):
        await refused(ports.wait(wrong), errors.InvalidArgument)


async def a_connection_that_breaks_off_there_breaks_off_here(box: Box) -> None:
    """A reset in the sandbox is a reset here, not an end that could be taken for a whole answer."""
    await _breaks_off(await _served(box, "cut"))


async def what_was_said_before_it_broke_off_is_read(box: Box) -> None:
    """A server that answers and breaks off, as one that refuses a long upload, is heard all the same."""
    async with _connected(await _served(box, "refuse")) as (reader, writer):
        writer.write(bytes(LARGE))
        equal(await reader.readexactly(8), b"too long", "the answer")
        writer.transport.abort()


async def connections_leave_nothing_behind(box: Box) -> None:
    """Many connections, one after the other: this program has as many descriptors and tasks as before."""
    port = await _served_port(box, "echo")
    async with box.client.ports.forward(port) as forward:
        await _goes_and_comes(forward.url)
        descriptors, tasks = _open_here()
        for _ in range(ONE_AFTER_THE_OTHER):
            await _goes_and_comes(forward.url)
    after = _open_here()
    true(after[0] <= descriptors + 2, f"{descriptors} descriptors before, {after[0]} after")
    true(after[1] <= tasks, f"{tasks} tasks before, {after[1]} after")


async def whoever_does_not_read_holds_the_other_back(box: Box) -> None:
    """A server that never reads is sent a bounded part of what there is; others are served meanwhile."""
    async with _connected(await _served(box, "deaf")) as (_, writer):
        sent = 0
        connection: socket.socket = writer.get_extra_info("socket")
        with contextlib.suppress(TimeoutError):
            while sent < STALLED_BYTES:
                async with asyncio.timeout(2):
                    writer.write(bytes(65536))
                    await writer.drain()
                    sent += 65536
        true(connection.fileno() >= 0 and sent < MOST_HELD, f"{sent} bytes were taken that nobody reads")
        await _goes_and_comes(await _served(box, "echo"))
        writer.transport.abort()


async def whoever_is_not_read_waits(box: Box) -> None:
    """A server that sends without end to somebody who doesn't read is held back, and goes on when that reads again."""
    async with _connected(await _served(box, "flood")) as (reader, writer):
        equal(await reader.readexactly(10), bytes(10))
        await _goes_and_comes(await _served(box, "echo"))
        equal(await reader.readexactly(LARGE), bytes(LARGE))
        writer.transport.abort()


async def _served(box: Box, act: str) -> str:
    """Start a server, and give its URL here."""
    return await box.client.ports.url(await _served_port(box, act))


async def _served_port(box: Box, act: str) -> int:
    stream = await box.stream(["python3", "-c", _SERVER.replace("ACT", act)])
    return int((await box.first_output(stream)).output)


async def _free_port(box: Box) -> int:
    asked = "import socket; print(socket.create_server(('127.0.0.1', 0)).getsockname()[1])"
    return int((await box.wait(["python3", "-c", asked])).stdout)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _goes_and_comes(url: str) -> None:
    async with _connected(url) as (reader, writer):
        writer.write(b"there and back")
        writer.write_eof()
        equal(await reader.read(), b"there and back")


async def _breaks_off(url: str) -> None:
    async with _connected(url) as (reader, writer):
        try:
            writer.write(b"x")
            answer = await reader.read()
        except ConnectionResetError:
            return
        true(False, f"it came to an end, with {answer!r}")


def _open_here() -> tuple[int, int]:
    return len(os.listdir("/dev/fd")), len(asyncio.all_tasks())


CHECKS = (
    a_web_server_is_reached,
    bytes_are_exact_both_ways,
    one_direction_may_end_before_the_other,
    a_port_on_which_nothing_listens,
    a_connection_that_breaks_off_there_breaks_off_here,
    what_was_said_before_it_broke_off_is_read,
    connections_leave_nothing_behind,
    whoever_does_not_read_holds_the_other_back,
    whoever_is_not_read_waits,
)
