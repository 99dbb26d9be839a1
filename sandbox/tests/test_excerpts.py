"""Head and tail of each stream, as a result keeps them: exactly those bytes come, and everything else is told as missing."""

import itertools
from typing import Any, NamedTuple

import anyio
import pytest

from kubebox_protocol import events
from kubebox_protocol.output import OutputType
from kubebox_sandbox.doors import outline

from .conftest import Client, Sandbox

MEBIBYTE = 1 << 20
KEEPS = [1, 2, 3, 100, 1001, 20_000, MEBIBYTE]
COMMANDS = {
    "stdout": "seq 1 5000",
    "stderr": "seq 1 5000 >&2",
    "in turn": "for i in $(seq 1 400); do echo out $i; echo err $i >&2; done",
    "in between": "seq 1 3000; sleep 0.05; echo once >&2; sleep 0.05; seq 1 3000",
    "one behind the other": "seq 1 3000; seq 1 3000 >&2",
    "little": "echo little; echo more >&2",
    "none": "true",
}


class Read(NamedTuple):
    """What came of an output.

    Attributes:
        bytes: By their offset, each with its stream.
        missing: Offsets of which was told that nothing comes.
        streams: Those of them of which the stream was told.
    """

    bytes: dict[int, tuple[OutputType, int]]
    missing: set[int]
    streams: dict[int, OutputType]


async def read(sandbox: Sandbox, execution_id: str, offset: int = 0, **request: Any) -> Read:
    """Read an output to its end, and be sure that it is told of each byte once, in order."""
    client = Client(sandbox)
    await client.connect()
    which = {"session_id": "main", "execution_id": execution_id}
    answer = await client.call(events.ATTACH, {**which, "offset": offset, "credit": MEBIBYTE, **request})
    assert "ok" in answer, answer
    end = (await client.wait_for(events.ENDED, execution_id))["execution"].get("end_offset", 0)
    await client.sio.disconnect()
    return gathered(client.received, offset, end)


def gathered(received: list[tuple[str, dict[str, Any]]], offset: int, end: int) -> Read:
    result = Read({}, set(), {})
    for event, payload in received:
        if event == events.ENDED:
            break
        assert payload["offset"] == offset
        if event == events.OUTPUT:
            for byte in payload["data"]:
                result.bytes[offset] = payload["type"], byte
                offset += 1
        else:
            span = range(offset, payload["next_offset"])
            assert span
            result.missing.update(span)
            if "type" in payload:
                stream: OutputType = payload["type"]
                result.streams.update(dict.fromkeys(span, stream))
            offset = span.stop
    assert offset == end
    return result


def wanted(whole: Read, keep: int, offset: int = 0) -> dict[int, tuple[OutputType, int]]:
    """What is kept of an output that was read as a whole."""
    half, kept = keep // 2, dict[int, tuple[OutputType, int]]()
    for stream in ("stdout", "stderr"):
        places = [place for place, (each, _) in whole.bytes.items() if each == stream]
        cut = len(places) > 2 * half and len(whole.bytes) > keep
        for place in [*places[:half], *places[len(places) - half :]] if cut else places:
            kept[place] = whole.bytes[place]
    return {place: kept[place] for place in sorted(kept) if place >= offset}


@pytest.fixture(params=[50, 1000, outline.STEP_BYTES], ids=["short steps", "steps", "one step"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline, "STEP_BYTES", request.param)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_exactly_what_is_kept_comes(sandbox: Sandbox, client: Client, command: str) -> None:
    started = await client.start(command)
    await client.wait_for(events.ENDED, started)
    whole = await read(sandbox, started)
    assert not whole.missing
    for keep in KEEPS:
        excerpt = await read(sandbox, started, keep=keep)
        assert excerpt.bytes == wanted(whole, keep)
        assert excerpt.missing == whole.bytes.keys() - excerpt.bytes.keys()
        for place, stream in excerpt.streams.items():
            assert whole.bytes[place][0] == stream
        if command == COMMANDS["stdout"]:
            assert excerpt.streams.keys() == excerpt.missing


@pytest.mark.usefixtures("steps")
async def test_it_goes_on_at_any_offset(sandbox: Sandbox, client: Client) -> None:
    started = await client.start(COMMANDS["in turn"])
    await client.wait_for(events.ENDED, started)
    whole, keep = await read(sandbox, started), 500
    for offset in [*range(0, len(whole.bytes), 611), len(whole.bytes)]:
        excerpt = await read(sandbox, started, offset, keep=keep)
        assert excerpt.bytes == wanted(whole, keep, offset)


@pytest.mark.usefixtures("steps")
async def test_what_is_left_out_costs_no_credit(sandbox: Sandbox, client: Client) -> None:
    started = await client.start("seq 1 100000; seq 1 50000 >&2")
    await client.wait_for(events.ENDED, started)
    excerpt = await read(sandbox, started, keep=1000, credit=2000)
    assert len(excerpt.bytes) == 2000


async def test_credit_bounds_what_is_sent_of_it(client: Client) -> None:
    started = await client.start("seq 1 100000")
    await client.wait_for(events.ENDED, started)
    client.received.clear()
    which = {"session_id": "main", "execution_id": started}
    await client.call(events.ATTACH, {**which, "offset": 0, "credit": 100, "keep": 1000})
    for granted in itertools.count(100, 100):
        with anyio.fail_after(10):
            while len(client.output(started)) < granted:
                await client.changed.wait()
        assert len(client.output(started)) == granted
        if granted == 1000:
            break
        await client.call(events.CREDIT, {**which, "credit": 100})
    await client.wait_for(events.ENDED, started)
    assert client.output(started).endswith(b"99999\n100000\n")


async def test_what_was_dropped_is_missing_as_well(tmp_path: Any) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["journal_bytes"] = MEBIBYTE
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        client = Client(sandbox)
        await client.connect()
        started = await client.start("seq 1 500000; echo end >&2", mode="wait")
        record = (await client.wait_for(events.ENDED, started))["execution"]
        assert record["dropped_bytes"] > MEBIBYTE
        whole = await read(sandbox, started, credit=4 * MEBIBYTE)
        assert len(whole.missing) == record["dropped_bytes"]
        for keep in (1000, MEBIBYTE // 2, 4 * MEBIBYTE):
            excerpt = await read(sandbox, started, keep=keep, credit=4 * MEBIBYTE)
            assert excerpt.bytes == wanted(whole, keep)
            assert all(whole.bytes[place][0] == stream for place, stream in excerpt.streams.items())
        await client.sio.disconnect()


async def test_nothing_comes_before_the_end(sandbox: Sandbox, client: Client) -> None:
    started = await client.start("echo first; read line; echo last", credit=MEBIBYTE, open_stdin=True)
    which = {"session_id": "main", "execution_id": started}
    reader = Client(sandbox)
    await reader.connect()
    await reader.call(events.ATTACH, {**which, "offset": 0, "credit": MEBIBYTE, "keep": MEBIBYTE})
    await client.wait_for(events.OUTPUT, started)
    assert (await reader.call(events.STATUS, which))["ok"]["end_offset"] > 0
    assert reader.received == []
    await client.call(events.INPUT, {**which, "input": {"offset": 0, "data": b"\n"}})
    await reader.wait_for(events.ENDED, started)
    assert reader.output(started) == b"first\nlast\n"
    await reader.sio.disconnect()


async def test_whoever_leaves_while_it_is_looked_through_is_gone(sandbox: Sandbox, client: Client) -> None:
    started = await client.start("seq 1 200000")
    await client.wait_for(events.ENDED, started)
    client.received.clear()
    which = {"session_id": "main", "execution_id": started}
    await client.call(events.ATTACH, {**which, "offset": 0, "credit": MEBIBYTE, "keep": 10})
    await client.call(events.DETACH, which)
    seen = len(client.received)
    await client.call(events.STATUS, which)
    assert len(client.received) == seen
    assert len((await read(sandbox, started, keep=10)).bytes) == 10
