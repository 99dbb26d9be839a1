"""Messages of Socket.IO: how long one may be with all of its parts, and what becomes of longer ones (H41)."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect

from kubebox_protocol import events, packets
from kubebox_protocol.limits import MAX_REQUEST_BYTES
from kubebox_protocol.tokens import HANDSHAKE_TARGET
from kubebox_sandbox.doors import socketio_server

from .conftest import PATIENCE, Client, Sandbox

MESSAGE_TOO_BIG = 1009
MEBIBYTE = 1 << 20
HOLDING = 8
GROWTH_BYTES = 16 * MEBIBYTE


@asynccontextmanager
async def websocket(sandbox: Sandbox) -> AsyncGenerator[tuple[ClientConnection, int]]:
    """A connection that has shown its token, and the bound that it was told."""
    url = f"{sandbox.url.replace('http', 'ws')}{packets.PATH}?EIO=4&transport=websocket"
    with anyio.fail_after(PATIENCE):
        async with connect(url, compression=None, ping_interval=None) as socket:
            told = json.loads(str(await socket.recv()).removeprefix(packets.OPEN))["maxPayload"]
            await socket.send(packets.CONNECT + json.dumps({"token": sandbox.token("GET", HANDSHAKE_TARGET)}))
            assert str(await socket.recv()).startswith(packets.CONNECT)
            yield socket, told


def event_of(size: int) -> str:
    """An event that is answered, of so many bytes."""
    begin, end = f'421["{events.LIST_SESSIONS}","', '"]'
    return begin + "x" * (size - len(begin) - len(end)) + end


def parts_of(size: int, count: int) -> list[str | bytes]:
    """The frames of an event that is answered, so many bytes together, most of them in so many binary parts."""
    places = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(count))
    text = f'45{count}-1["{events.LIST_SESSIONS}",{places}]'
    left = size - len(text)
    each = left // count
    return [text, *(bytes(each) for _ in range(count - 1)), bytes(left - each * (count - 1))]


async def code_of_end(socket: ClientConnection) -> int | None:
    """The code with which the server closes, whatever it says before."""
    await socket.wait_closed()
    return socket.close_code


async def test_the_bound_that_is_told_is_the_bound_of_rest(sandbox: Sandbox) -> None:
    async with websocket(sandbox) as (_, told):
        assert told == MAX_REQUEST_BYTES
    body = b" " * (told + 1)
    answer = await sandbox.request("POST", "/v1/sessions", content=body)
    assert (answer.status_code, answer.json()["data"]) == (413, {"limit": told})


async def test_a_message_of_as_many_bytes_as_are_told_is_answered(sandbox: Sandbox) -> None:
    async with websocket(sandbox) as (socket, told):
        await socket.send(event_of(told))
        assert str(await socket.recv()).startswith("431[")
        for count in (1, socketio_server.MAX_ATTACHMENTS):
            for frame in parts_of(told, count):
                await socket.send(frame)
            assert str(await socket.recv()).startswith("431[")


@pytest.mark.parametrize("fragmented", [False, True])
async def test_one_byte_more_ends_the_connection(sandbox: Sandbox, fragmented: bool) -> None:
    async with websocket(sandbox) as (socket, told):
        event = event_of(told + 1)
        await socket.send([event[: told // 2], event[told // 2 :]] if fragmented else event)
        assert await code_of_end(socket) == MESSAGE_TOO_BIG


@pytest.mark.parametrize("count", [1, socketio_server.MAX_ATTACHMENTS])
async def test_binary_parts_count_with_their_message(sandbox: Sandbox, count: int) -> None:
    async with websocket(sandbox) as (socket, told):
        for frame in parts_of(told + 1, count):
            await socket.send(frame)
        assert await code_of_end(socket) == MESSAGE_TOO_BIG


async def test_more_binary_parts_than_any_message_has_are_dropped_with_it(sandbox: Sandbox) -> None:
    async with websocket(sandbox) as (socket, told):
        for frame in parts_of(told, socketio_server.MAX_ATTACHMENTS + 1):
            await socket.send(frame)
        await socket.send(event_of(100))
        assert str(await socket.recv()).startswith("431[")


async def test_nobody_else_notices(sandbox: Sandbox, client: Client) -> None:
    started = await client.start("read line; echo $line", credit=MEBIBYTE, open_stdin=True)
    which = {"session_id": "main", "execution_id": started}
    for frames in ([event_of(MAX_REQUEST_BYTES + 1)], parts_of(MAX_REQUEST_BYTES + 1, 2)):
        async with websocket(sandbox) as (socket, _):
            for frame in frames:
                await socket.send(frame)
            assert await code_of_end(socket) == MESSAGE_TOO_BIG
    await client.call(events.INPUT, {**which, "input": {"offset": 0, "data": b"fine\n"}})
    await client.wait_for(events.ENDED, started)
    assert client.output(started) == b"fine\n"
    assert not client.disconnected.is_set()


async def test_what_waits_for_its_parts_is_held_as_it_came(sandbox: Sandbox) -> None:
    """Parsed, it would be twenty times as much."""
    begin = f'451-1["{events.LIST_SESSIONS}",{{"_placeholder":true,"num":0}},['
    text = begin + ",".join(["[]"] * ((MAX_REQUEST_BYTES - len(begin) - 100) // 3)) + "]]"
    before = resident()
    async with AsyncExitStack() as held:
        for _ in range(HOLDING):
            socket, _ = await held.enter_async_context(websocket(sandbox))
            await socket.send(text)
            await socket.send("2probe")  # Its answer says that what came before has been taken.
            assert await socket.recv() == "3probe"
        assert resident() - before < HOLDING * 2 * MAX_REQUEST_BYTES + GROWTH_BYTES


def resident() -> int:
    """Bytes of memory that this process has, in which the server runs too."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
