"""H29, H41: connections and messages that cost whoever sends them little: who has a token is served all the same."""

import asyncio
import gzip
import json
import time
from contextlib import ExitStack, suppress

import httpx2
import pytest

from kubebox.testing import Box
from kubebox_protocol import events
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET
from tests.soak.places import Place, another, server
from tests.soak.processes import Process
from tests.soak.raw import BareWebSocket, bare, frame, upgrade, wire
from tests.soak.sizes import LIMIT, SHARE, figure, mebibytes, milliseconds, percentile, sized
from tests.soak.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

HALF_OPEN = sized(300, 3000)
UPGRADES = sized(100, 1000)
SECONDS = 1.0
HALVES = [
    b"",
    b"GET /healthz HTT",
    b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nx",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
]
GROWTH_BYTES = 16 * 1024**2
TOO_LARGE_BYTES = 5 * 1024**2
LISTED, QUESTIONS = 100, sized(2000, 100_000)
ANSWERED_SECONDS = sized(3, 20)


async def test_half_open_connections_and_strangers_keep_nobody_out(own: Place) -> None:
    """H29: requests that never end, and WebSockets without a token, at the same time."""
    box = await own.box()
    with server(own) as process, ExitStack() as held:
        before = process.usage()
        for number in range(HALF_OPEN):
            held.enter_context(bare(own.client)).sendall(HALVES[number % len(HALVES)])
        for _ in range(UPGRADES):
            held.enter_context(bare(own.client)).sendall(upgrade())
        times = [await _time_of(box) for _ in range(20)]
        async with another(own) as client:
            times += [await _time_of(Box(client, box.session_id)) for _ in range(20)]
        grown = process.usage().resident - before.resident
        figure(
            f"{HALF_OPEN} half-open connections, {UPGRADES} WebSockets of strangers",
            a_command_p99=milliseconds(percentile(times, 99)),
            server_grew=mebibytes(grown),
        )
        assert percentile(times, SHARE) < SECONDS
        assert grown < (HALF_OPEN + UPGRADES) * 64 * 1024 + GROWTH_BYTES
        held.close()
        await _back_to(process, before.descriptors)


async def test_what_is_compressed_is_not_unpacked(own: Place) -> None:
    """H41: no bomb in a body, and none in a WebSocket, which is never told that it may compress."""
    box = await own.box()
    bomb = gzip.compress(bytes(64 * 1024**2))
    with (
        server(own) as process,
        BareWebSocket(
            own.client, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        ) as socket,
    ):
        before = process.usage()
        assert b" 101 " in socket.answer.splitlines()[0]
        assert b"permessage-deflate" not in socket.answer.lower()
        socket.receive()
        socket.send("40{}", reserved=4)  # the bit that says: compressed
        assert socket.receive()[0] == 8  # and that is the end
        path = f"/v1/sessions/{box.session_id}/executions"
        token = await own.client.sign_token("POST", path)
        headers = {"authorization": f"Bearer {token}", "content-encoding": "gzip"}
        async with httpx2.AsyncClient(base_url=own.url) as http:
            answer = await http.post(path, content=bomb, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
        assert process.usage().resident - before.resident < GROWTH_BYTES


async def test_a_message_that_is_too_large_ends_its_connection_alone(own: Place) -> None:
    """H41: nothing of it is kept."""
    box = await own.box()
    with server(own) as process:
        before = process.usage()
        for _ in range(5):
            async with wire(own.client) as oversize:
                await oversize.sio.emit(events.START, {"session_id": "x" * TOO_LARGE_BYTES})
                async with asyncio.timeout(10):
                    await oversize.closed.wait()
        assert process.usage().resident - before.resident < GROWTH_BYTES
    assert (await box.wait("echo alive")).stdout == "alive\n"


async def test_whoever_asks_and_never_reads_is_answered_no_more(own: Place) -> None:
    """H41: questions without end, whose answers are long, and taken by nobody."""
    box = await own.box()
    for _ in range(LISTED):
        await box.wait("true")
    token = await own.client.sign_token(HANDSHAKE_METHOD, HANDSHAKE_TARGET)
    with server(own) as process, BareWebSocket(own.client, buffer=4096) as deaf:
        deaf.introduce(token)
        before = process.usage()
        asked = json.dumps([events.LIST_EXECUTIONS, {"session_id": box.session_id}])
        question = frame(f"421{asked}".encode())
        deaf.socket.settimeout(2)
        with suppress(OSError):  # The server may read no more of it, or hang up.
            for _ in range(QUESTIONS):
                await asyncio.to_thread(deaf.socket.sendall, question)
        grown = await _growth(process, before.resident, ANSWERED_SECONDS)
    figure(f"{QUESTIONS} questions of one who reads no answer", server_grew=mebibytes(grown))
    assert grown < GROWTH_BYTES
    assert (await box.wait("echo alive")).stdout == "alive\n"


ODD = [
    *(
        f'5{count}-["execution.start",' + ",".join(['{"_placeholder":true,"num":0}'] * 3) + "]"
        for count in (5, 99, 10**9)
    ),
    '51-["execution.start",{"_placeholder":true,"num":7}]',
    '51-["execution.start"]',
    "3" + "9" * 400 + "[]",
    *(f"3{number}[]" for number in range(300)),
    *(f"0/room{number}," for number in range(300)),
    *(f'2/room{number},["session.list",{{}}]' for number in range(300)),
    "1",
]
"""Attachments that never come, answers to nothing, namespaces by the hundred, a goodbye."""


async def test_odd_packets_over_and_over_cost_no_memory(own: Place) -> None:
    """H41: each as often as somebody likes, on many connections."""
    box = await own.box()
    with server(own) as process:
        before = process.usage()
        for _ in range(sized(5, 200)):
            async with wire(own.client) as odd:
                for packet in ODD:
                    await odd.sio.eio.send(packet)
                await odd.sio.eio.send(
                    "451-" + json.dumps(["execution.start", {"_placeholder": True, "num": 0}])
                )
        async with wire(own.client) as fine:
            assert "ok" in await fine.ask(events.LIST_SESSIONS, {})
        assert (await box.wait("echo alive")).stdout == "alive\n"
        await _back_to(process, before.descriptors)
        assert process.usage().resident - before.resident < GROWTH_BYTES


async def _time_of(box: Box) -> float:
    began = time.monotonic()
    assert (await box.wait("true")).exit_code == 0
    return time.monotonic() - began


async def _growth(process: Process, before: int, seconds: float) -> int:
    """The most that a process has grown, in so much time."""
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and most < 10 * GROWTH_BYTES:
        most = max(most, process.usage().resident - before)
        await asyncio.sleep(0.05)  # the fault itself: time in which nobody reads
    return most


async def _back_to(process: Process, descriptors: int) -> None:
    """Wait until the server has let go of its connections, which tells nobody."""
    await eventually(lambda: process.usage().descriptors <= descriptors + 2)
