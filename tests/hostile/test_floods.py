"""H17, H18: output without end, and readers that stop reading: bounded memory, counted losses, undisturbed neighbours."""

import asyncio
import statistics
import time
from collections.abc import Callable

import pytest

from kubebox.testing import Box
from kubebox_protocol import events
from kubebox_protocol.limits import MAX_CREDIT_BYTES
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET
from tests.soak.places import Place, server
from tests.soak.processes import Process
from tests.soak.raw import BareWebSocket, bare, event_text
from tests.soak.sizes import LIMIT, SHARE, figure, mebibytes, milliseconds, percentile, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

GIBIBYTE = 1024**3
FLOOD_BYTES = sized(1, 10) * GIBIBYTE // 2
JOURNAL_BYTES = 256 * 1024**2
"""What a sandbox keeps of one output."""

GROWTH_BYTES = 16 * 1024**2
STALLED_SECONDS = sized(2, 60)
SECONDS = sized(1.0, 0.25)
TRUE = 30


async def test_a_flood_is_capped_and_counted_and_its_neighbours_go_on(own: Place) -> None:
    """H17: both streams as fast as they can, in the background."""
    box, neighbour = await own.box(), await own.box()
    calm = [await _time_of(neighbour) for _ in range(TRUE)]
    with server(own) as process:
        before, began = process.usage(), time.monotonic()
        half = FLOOD_BYTES // 2
        flood = await box.background(f"head -c {half} /dev/zero & yes | head -c {half} >&2; wait; exit 3")
        ending = asyncio.ensure_future(flood.wait())
        times: list[float] = []
        while not ending.done():
            times.append(await _time_of(neighbour))
        verdict, took = await ending, time.monotonic() - began
        record, after = await flood.status(), process.usage()
    figure(
        "a flood",
        bytes=mebibytes(FLOOD_BYTES),
        a_second=mebibytes(FLOOD_BYTES / took),
        server_grew=mebibytes(after.resident - before.resident),
        calm_p50=milliseconds(statistics.median(calm)),
        neighbour_p50=milliseconds(statistics.median(times)),
        neighbour_p99=milliseconds(percentile(times, 99)),
    )
    assert (verdict.kind, verdict.exit_code) == ("exited", 3)
    assert record.end_offset == FLOOD_BYTES
    held = record.end_offset - record.dropped_bytes
    assert JOURNAL_BYTES / 2 < held <= JOURNAL_BYTES + 8 * 1024**2
    stream = flood.attach()
    read = sum([len(piece.data) async for piece in stream])
    assert (read, stream.dropped_bytes) == (held, record.dropped_bytes)
    assert after.resident - before.resident < GROWTH_BYTES
    assert percentile(times, SHARE) < SECONDS


async def test_a_flood_without_end_is_ended_by_its_timeout(own: Place) -> None:
    """H17: partial output, an exact count, a truthful end."""
    box = await own.box()
    result = await box.wait("yes & yes >&2", timeout=1)
    assert (result.verdict.kind, result.truncated) == ("timed-out", True)
    assert result.stdout.startswith("y\ny\n")
    record = await box.client.check_status(box.session_id, result.process_id)
    assert record.end_offset > 1024**2


async def test_an_http_reader_that_stops_reading_costs_no_memory(own: Place) -> None:
    """H18: a body that follows the output has no credit to bound it."""
    box = await own.box()
    flood = await box.stream("yes")
    path = f"/v1/sessions/{box.session_id}/executions/{flood.process_id}/output?follow=true"
    token = await own.client.sign_token("GET", path)
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
    with server(own) as process, bare(own.client, buffer=4096) as sleeping:
        before = process.usage()
        sleeping.sendall(head.encode())
        grown = await _growth(process, before.resident, None)
    figure("an HTTP reader that stopped", server_grew=mebibytes(grown))
    assert grown < GROWTH_BYTES
    assert (await box.wait("echo alive")).stdout == "alive\n"


async def test_a_socket_reader_that_grants_and_never_reads_costs_no_more_than_its_credit(own: Place) -> None:
    """H18: credit is granted over and over, and nothing that it brings is read."""
    box = await own.box()
    flood = await box.stream("yes")
    which = {"session_id": box.session_id, "execution_id": flood.process_id}
    token = await own.client.sign_token(HANDSHAKE_METHOD, HANDSHAKE_TARGET)
    with server(own) as process, BareWebSocket(own.client, buffer=4096) as sleeping:
        sleeping.introduce(token)
        before = process.usage()
        sleeping.send(event_text(events.ATTACH, {**which, "credit": MAX_CREDIT_BYTES}))
        grant = event_text(events.CREDIT, {**which, "credit": MAX_CREDIT_BYTES})
        grown = await _growth(process, before.resident, lambda: sleeping.send(grant))
    figure("a Socket.IO reader that grants and never reads", server_grew=mebibytes(grown))
    assert grown < MAX_CREDIT_BYTES + GROWTH_BYTES
    assert (await box.wait("echo alive")).stdout == "alive\n"


async def _growth(process: Process, before: int, do: Callable[[], None] | None) -> int:
    """The most that a process has grown while somebody does something, or nothing, for a while."""
    most, end = 0, time.monotonic() + STALLED_SECONDS
    while time.monotonic() < end:
        if do is not None:
            do()
        most = max(most, process.usage().resident - before)
        await asyncio.sleep(0.05)  # the fault itself: time in which nobody reads
    return most


async def _time_of(box: Box) -> float:
    began = time.monotonic()
    assert (await box.wait("true")).exit_code == 0
    return time.monotonic() - began
