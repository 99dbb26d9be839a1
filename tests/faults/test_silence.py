"""F02: lines that fall silent without a word. A heartbeat finds out; here it beats forty times as fast as otherwise."""

import asyncio

import pytest

from kubebox._transport import http
from tests.faults.lines import WAIT_FOR_GO, OpenLine, read
from tests.soak.content import BLOCK, Content, produce
from tests.soak.sizes import LIMIT

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

HEARTBEAT_SECONDS = 0.4


async def test_a_line_that_falls_silent_is_given_up_and_made_anew(
    open_line: OpenLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "IDLE_SECONDS", HEARTBEAT_SECONDS)
    line = await open_line(heartbeat=HEARTBEAT_SECONDS)
    content = Content()
    waiting = asyncio.ensure_future(line.box.wait(WAIT_FOR_GO))
    await line.running()
    stream = await line.box.stream(produce("silent", 128))
    pieces = aiter(stream)
    await read(content, pieces, until=16 * BLOCK)
    line.proxy.stall()
    await read(content, pieces)
    content.check("silent", 128)
    await line.go()
    assert (await waiting).stdout == "first\nlast\n"
    assert line.proxy.cuts == 0


async def test_a_line_that_takes_nothing_any_more_is_given_up_too(
    open_line: OpenLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more to send than the kernel holds; each command has run once."""
    monkeypatch.setattr(http, "IDLE_SECONDS", HEARTBEAT_SECONDS)
    line = await open_line(heartbeat=HEARTBEAT_SECONDS)
    await line.box.wait("true")
    line.proxy.stall()
    stdin = b"x" * 120_000
    results = await asyncio.gather(
        *(line.box.wait(f"echo {number} >> count; wc -c", stdin=stdin) for number in range(80))
    )
    assert {result.stdout for result in results} == {"120000\n"}
    ran = await line.direct.client.get_file(line.direct.session_id, "count")
    assert sorted(map(int, ran.split())) == list(range(80))
