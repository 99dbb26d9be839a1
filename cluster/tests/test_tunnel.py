"""Tunnels: every way in which either side can end, stop reading, or lie."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSCloseCode, WSMsgType, web

from kubebox_cluster import errors, tunnel
from kubebox_cluster.api import Api
from kubebox_cluster.tunnel import Tunnel, open_tunnel

from .scripted import Answer, Scripted, is_silent, refuses, says

PORT = 7001
NAMED = struct.pack("<H", PORT)
POD = {"metadata": {"name": "x", "uid": "u"}, "status": {"phase": "Running"}}

HELD = 32 * 1024 * 1024
"""Bytes that everything on the way may hold back, sockets included: far less than what is sent."""

Far = Callable[[web.WebSocketResponse], Awaitable[None]]


def node(far: Far, *, protocols: tuple[str, ...] = ("v4.channel.k8s.io",), pod: Any = POD) -> Answer:
    """An API server with one pod, which does this with each connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/portforward"):
            return web.json_response(pod)
        connection = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
        await connection.prepare(request)
        await connection.send_bytes(b"\0" + NAMED)
        await connection.send_bytes(b"\1" + NAMED)
        await far(connection)
        return connection

    return answer


@asynccontextmanager
async def through(answer: Answer) -> AsyncGenerator[tuple[Tunnel, Scripted]]:
    async with (
        asyncio.timeout(20),
        Scripted.serving(answer) as server,
        Api(server.target) as api,
        open_tunnel(api, "n", "x", PORT) as opened,
    ):
        yield opened, server


async def connect(opened: Tunnel, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = opened.address.partition(":")
    return await asyncio.open_connection(host, int(port), **options)


async def reset(opened: Tunnel) -> None:
    """Connect, and be reset."""
    reader, writer = await connect(opened)
    # A reset that comes before anybody reads may look like an end.
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def echo(far: web.WebSocketResponse) -> None:
    async for message in far:
        await far.send_bytes(message.data)


async def test_bytes_go_both_ways_and_the_request_is_as_it_has_to_be() -> None:
    async with through(node(echo)) as (opened, server):
        reader, writer = await connect(opened)
        for sent in (b"\0", b"one", bytes(range(256)) * 1024):
            writer.write(sent)
            assert await reader.readexactly(len(sent)) == sent
        writer.close()
        assert opened.last_error is None
    forward = next(asked for asked in server.asked if asked.path.endswith("portforward"))
    assert (forward.path, forward.query) == ("/api/v1/namespaces/n/pods/x/portforward", {"ports": str(PORT)})


async def test_pieces_are_bounded() -> None:
    sizes: list[int] = []

    async def count(far: web.WebSocketResponse) -> None:
        left = 1_000_000
        while left:
            sizes.append(len((await far.receive()).data) - 1)
            left -= sizes[-1]

    async with through(node(count)) as (opened, _):
        reader, writer = await connect(opened)
        writer.write(bytes(1_000_000))
        assert await reader.read() == b""
        writer.close()
    assert max(sizes) <= 65536


async def test_where_the_ports_name_ends_does_not_matter() -> None:
    async def far(connection: web.WebSocketResponse) -> None:
        for message in (b"\0x", b"\0", b"\0yz", b"", b"\0!"):
            await connection.send_bytes(message)

    async def split(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/portforward"):
            return web.json_response(POD)
        connection = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await connection.prepare(request)
        for message in (b"\0" + NAMED[:1], b"\0" + NAMED[1:] + b"one", b"\0two", b"\0", b""):
            await connection.send_bytes(message)
        return connection

    for answer, expected in ((split, b"onetwo"), (node(far), b"xyz!")):
        async with through(answer) as (opened, _):
            reader, writer = await connect(opened)
            assert await reader.read() == expected
            writer.close()


async def test_all_that_came_before_a_clean_end_arrives() -> None:
    async def far(connection: web.WebSocketResponse) -> None:
        for _ in range(100):
            await connection.send_bytes(b"\0" + bytes(30_000))

    async with through(node(far)) as (opened, _):
        reader, writer = await connect(opened)
        assert len(await reader.read()) == 3_000_000
        writer.close()
        assert opened.last_error is None


async def test_what_the_node_complains_of_resets_the_connection_and_is_kept() -> None:
    async def far(connection: web.WebSocketResponse) -> None:
        await connection.send_bytes(b"\1connect: connection refused\n" + bytes(100_000))
        await connection.receive()

    async with through(node(far)) as (opened, _):
        await reset(opened)
        assert isinstance(opened.last_error, errors.ForwardFailed)
        assert str(opened.last_error).startswith("connect: connection refused")
        assert len(str(opened.last_error)) < 5000


async def drops(connection: web.WebSocketResponse) -> None:
    transport = connection._req.transport  # type: ignore[union-attr]
    transport.abort()  # type: ignore[union-attr]


async def ends_without_a_word(connection: web.WebSocketResponse) -> None:
    connection._req.transport.close()  # type: ignore[union-attr]


async def sends_nonsense(connection: web.WebSocketResponse) -> None:
    await connection.send_bytes(b"\7hello")
    await connection.receive()


async def sends_text(connection: web.WebSocketResponse) -> None:
    await connection.send_str("hello")
    await connection.receive()


BROKEN: dict[str, Far] = {
    "reset": drops,
    "closed": ends_without_a_word,
    "text": sends_text,
    "channel": sends_nonsense,
}


@pytest.mark.parametrize("far", BROKEN.values(), ids=BROKEN)
async def test_a_line_that_breaks_resets_the_connection(far: Far) -> None:
    async with through(node(far)) as (opened, _):
        await reset(opened)
        assert isinstance(opened.last_error, errors.ApiUnreachable)
        assert (opened.last_error.cause, opened.last_error.sent) == ("lost", True)


async def test_the_next_connection_is_tried_all_the_same() -> None:
    fars = [drops, echo]

    async def far(connection: web.WebSocketResponse) -> None:
        await fars.pop(0)(connection)

    async with through(node(far)) as (opened, _):
        await reset(opened)
        assert opened.last_error is not None
        reader, writer = await connect(opened)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        assert opened.last_error is None
        writer.close()


async def test_a_near_side_that_ends_its_half_still_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "SILENT_SECONDS", 2.0)

    async def far(connection: web.WebSocketResponse) -> None:
        assert (await connection.receive()).data == b"\0question"
        for _ in range(3):
            # It thinks: three times that is longer than the silence that is allowed, and once by far not.
            await asyncio.sleep(0.8)
            await connection.send_bytes(b"\0answer")

    async with through(node(far)) as (opened, _):
        reader, writer = await connect(opened)
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == b"answer" * 3
        writer.close()


async def test_a_near_side_that_has_closed_is_told_to_the_pod_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "SILENT_SECONDS", 0.1)
    ended = asyncio.Event()

    async def far(connection: web.WebSocketResponse) -> None:
        while (await connection.receive()).type is WSMsgType.BINARY:
            pass
        ended.set()

    async with through(node(far)) as (opened, _):
        _, writer = await connect(opened)
        writer.write(b"x")
        writer.close()
        await ended.wait()


async def test_a_near_side_that_resets_is_told_to_the_pod_at_once() -> None:
    ended = asyncio.Event()

    async def far(connection: web.WebSocketResponse) -> None:
        assert (await connection.receive()).data == b"\0x"
        near[0].transport.abort()
        message = await connection.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.OK)
        ended.set()

    near: list[asyncio.StreamWriter] = []
    async with through(node(far)) as (opened, _):
        _, writer = await connect(opened)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        near.append(writer)
        writer.write(b"x")
        async with asyncio.timeout(5):  # long before the silence that is allowed
            await ended.wait()


async def test_a_near_side_that_does_not_read_holds_the_pod_back() -> None:
    sent = 0
    stuck = asyncio.Event()

    async def far(connection: web.WebSocketResponse) -> None:
        nonlocal sent
        while sent < 8 * HELD:
            try:
                async with asyncio.timeout(0.5):
                    await connection.send_bytes(b"\0" + bytes(32_768))
            except TimeoutError:
                stuck.set()
                await connection.receive()
            sent += 32_768

    async with through(node(far)) as (opened, _):
        _, writer = await connect(opened, limit=65536)
        await stuck.wait()
        assert sent < HELD
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_pod_that_does_not_read_holds_the_near_side_back() -> None:
    async with through(node(lambda _: asyncio.Event().wait())) as (opened, _):  # type: ignore[arg-type,return-value]
        _, writer = await connect(opened)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 8 * HELD:
                async with asyncio.timeout(0.5):
                    writer.write(bytes(65536))
                    await writer.drain()
                sent += 65536
        assert sent < HELD
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


FORBIDDEN = 'User "u" cannot create resource "pods/portforward" in API group "" in the namespace "n"'


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (refuses(403, f"pods is forbidden: {FORBIDDEN}", "Forbidden"), errors.Forbidden),
        (refuses(500, "unable to forward port because pod is not running"), errors.ServerFailing),
        (refuses(404, "no such thing"), errors.NotFound),
        (says({}), errors.ApiUnreachable),
    ],
)
async def test_a_refusal_is_kept_with_its_reason(refusal: Answer, kind: type[errors.ClusterError]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await (refusal if request.path.endswith("/portforward") else says(POD))(request)

    async with through(answer) as (opened, _):
        await reset(opened)
        assert type(opened.last_error) is kind
        if isinstance(opened.last_error, errors.Forbidden):
            assert opened.last_error.resource == "pods/portforward"


async def test_another_protocol_is_not_spoken() -> None:
    async with through(node(echo, protocols=())) as (opened, _):
        await reset(opened)
        assert isinstance(opened.last_error, errors.ApiUnreachable)
        assert "does not speak v4.channel.k8s.io" in str(opened.last_error)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (refuses(404, reason="NotFound"), "there is no pod x"),
        (says({**POD, "metadata": {"name": "x", "uid": "other"}}), "replaced"),
        (says({**POD, "status": {"phase": "Failed"}}), r"has ended \(Failed\)"),
    ],
)
async def test_a_pod_that_is_gone_gets_no_byte_and_is_never_tried_again(found: Answer, said: str) -> None:
    got: list[Any] = []

    async def far(connection: web.WebSocketResponse) -> None:
        got.append(await connection.receive())

    first = True

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal first
        if request.path.endswith("/portforward"):
            return await node(far)(request)
        if first:
            first = False
            return web.json_response(POD)
        return await found(request)

    async with through(answer) as (opened, server):
        reader, writer = await connect(opened)
        writer.write(b"secret")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert isinstance(opened.last_error, errors.PodGone)
        with pytest.raises(errors.PodGone, match=said):
            raise opened.last_error
        asked = len(server.asked)
        await reset(opened)
        assert len(server.asked) == asked
        with pytest.raises(errors.PodGone):
            async with Api(server.target) as api, open_tunnel(api, "n", "x", PORT, uid="u"):
                pass
    assert [message.type for message in got if message.type is WSMsgType.BINARY] == []


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "MAX_CONNECTIONS", 2)
    async with through(node(echo)) as (opened, _):
        pairs = [await connect(opened) for _ in range(2)]
        for reader, writer in pairs:
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        await reset(opened)
        assert isinstance(opened.last_error, errors.ForwardFailed)
        for reader, writer in pairs:
            writer.write(b"y")
            assert await reader.readexactly(1) == b"y"
            writer.close()


async def test_closing_ends_connections_that_are_not_open_yet() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await (is_silent if request.path.endswith("/portforward") else says(POD))(request)

    async with through(answer) as (opened, server):
        reader, writer = await connect(opened)
        await server.until_asked(3)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def test_what_is_raised_inside_is_what_comes_out() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with through(node(echo)):
            raise KeyError("mine")
