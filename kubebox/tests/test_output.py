"""Output on its way: exact bytes, whole characters, bounded memory, credit for what was really read."""

from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubebox import errors
from kubebox._output import Collector, OutputReader, join, text
from kubebox._results import CommandOutput, CommandStream
from kubebox._transport.base import Listener, Transport
from kubebox_protocol import events
from kubebox_protocol.base import Answer, Request
from kubebox_protocol.executions import (
    CommandMode,
    CreditRequest,
    Execution,
    ExecutionEnded,
    OutputChunk,
    OutputGap,
    OutputType,
    Verdict,
)
from kubebox_protocol.limits import STREAM_CREDIT_BYTES

STREAM: st.SearchStrategy[OutputType] = st.sampled_from(("stdout", "stderr"))
TEXT_BYTES = st.text(alphabet="aé€😀\n").map(str.encode)
CHUNKS = st.lists(st.tuples(STREAM, st.binary(min_size=1, max_size=12)), max_size=20)
ID = uuid4()


class Wire:
    """A transport that plays back what a server would send, and keeps what it is asked."""

    def __init__(self) -> None:
        self.listeners: dict[UUID, Listener] = {}
        self.asked: list[str] = []
        self.credit = 0

    def check_loop(self) -> None:
        pass

    async def ready(self) -> None:
        pass

    async def explain(self, error: errors.KubeboxError) -> errors.KubeboxError:
        return error

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        previous = self.listeners.get(execution_id)
        self.listeners[execution_id] = listener
        return previous

    def leave(self, execution_id: UUID, listener: Listener) -> bool:
        return self.listeners.get(execution_id) == listener and self.listeners.pop(execution_id) is not None

    async def ask(self, event: str, request: Request, answer: type[Answer], *, timeout: float = 0) -> Answer:
        self.asked.append(event)
        return answer.model_construct()

    async def tell(self, event: str, request: Request) -> None:
        assert isinstance(request, CreditRequest)
        self.credit += request.credit

    def reader(self) -> OutputReader:
        return OutputReader(cast("Transport", self), "s", ID)


def ended(kind: str = "exited") -> ExecutionEnded:
    verdict = Verdict(kind=kind, exit_code=0, message="done")
    execution = Execution(
        execution_id=ID,
        session_id="s",
        mode=CommandMode.STREAM,
        state="ended",
        verdict=verdict,
        started_at=0,
        duration=0,
    )
    return ExecutionEnded(execution=execution)


def chunk(offset: int, type: OutputType, data: bytes) -> OutputChunk:
    return OutputChunk(execution_id=ID, offset=offset, type=type, data=data)


def numbered(chunks: list[tuple[OutputType, bytes]]) -> list[OutputChunk]:
    offset, result = 0, list[OutputChunk]()
    for type, data in chunks:
        result.append(chunk(offset, type, data))
        offset += len(data)
    return result


async def stream_of(wire: Wire, *happenings: Any) -> CommandStream:
    reader = wire.reader()
    await reader.listen()
    for happening in happenings:
        wire.listeners[ID](happening)
    return CommandStream(cast("Any", None), "s", str(ID), reader, attached=True)


async def read(stream: CommandStream) -> list[CommandOutput]:
    return [piece async for piece in stream]


@given(CHUNKS)
async def test_every_byte_is_in_one_piece_at_its_offset(chunks: list[tuple[OutputType, bytes]]) -> None:
    pieces = await read(await stream_of(Wire(), *numbered(chunks), ended()))
    assert b"".join(piece.data for piece in pieces) == b"".join(data for _, data in chunks)
    offset = 0
    for piece in pieces:
        assert piece.offset == offset
        offset += len(piece.data)


@given(CHUNKS)
async def test_text_is_what_decoding_each_stream_at_once_gives(
    chunks: list[tuple[OutputType, bytes]],
) -> None:
    pieces = await read(await stream_of(Wire(), *numbered(chunks), ended()))
    for type in ("stdout", "stderr"):
        whole = b"".join(data for each, data in chunks if each == type)
        assert "".join(piece.output for piece in pieces if piece.type == type) == whole.decode(
            errors="replace"
        )


@given(TEXT_BYTES, st.integers(1, 3))
async def test_a_split_character_comes_out_whole(data: bytes, size: int) -> None:
    parts: list[tuple[OutputType, bytes]] = [
        ("stdout", data[start : start + size]) for start in range(0, len(data), size)
    ]
    pieces = await read(await stream_of(Wire(), *numbered(parts), ended()))
    assert "".join(piece.output for piece in pieces) == data.decode()


@given(CHUNKS, st.integers(2, 40))
def test_a_result_keeps_head_and_tail_and_says_so(chunks: list[tuple[OutputType, bytes]], limit: int) -> None:
    collector = Collector(limit)
    for each in numbered(chunks):
        collector.add(each)
    cut = False
    for type in ("stdout", "stderr"):
        whole = b"".join(data for each, data in chunks if each == type)
        kept = join(collector.pieces(type))
        half = limit // 2
        if len(whole) <= 2 * half:
            assert kept == whole
        else:
            cut = True
            assert kept == whole[:half] + whole[-half:]
    assert collector.truncated == cut
    assert join(collector.all_pieces()) == b"".join(
        piece.data for piece in sorted(collector.all_pieces(), key=lambda piece: piece.offset)
    )
    if not cut:
        assert join(collector.all_pieces()) == b"".join(data for _, data in chunks)
        whole_text = text(collector.pieces("stdout"))
        assert whole_text == join(collector.pieces("stdout")).decode(errors="replace")


def test_characters_on_both_sides_of_a_cut_are_not_joined() -> None:
    collector = Collector(4)
    collector.add(chunk(0, "stdout", b"a\xe2\x82X\xac\xac"))
    assert text(collector.pieces("stdout")) == "a\ufffd\ufffd\ufffd"
    assert collector.truncated


async def test_a_gap_is_counted_and_flushes_what_was_pending() -> None:
    gap = OutputGap(execution_id=ID, offset=2, next_offset=100)
    stream = await stream_of(
        Wire(), chunk(0, "stdout", b"a\xe2"), gap, chunk(100, "stdout", b"\xacb"), ended()
    )
    pieces = await read(stream)
    assert [(piece.output, piece.offset) for piece in pieces] == [("a", 0), ("\ufffd", 2), ("\ufffdb", 100)]
    assert stream.dropped_bytes == 98


async def test_output_that_does_not_fit_is_refused() -> None:
    stream = await stream_of(Wire(), chunk(0, "stdout", b"ab"), chunk(3, "stdout", b"c"))
    with pytest.raises(errors.AnswerInvalid):
        await read(stream)


async def test_credit_is_granted_for_what_was_read_and_no_more() -> None:
    wire = Wire()
    half = bytes(STREAM_CREDIT_BYTES // 2)
    stream = await stream_of(wire, chunk(0, "stdout", half), chunk(len(half), "stdout", half))
    pieces = aiter(stream)
    await anext(pieces)
    assert wire.credit == 0
    await anext(pieces)
    assert wire.credit == len(half)
    await pieces.aclose()


async def test_leaving_the_loop_detaches_and_another_loop_goes_on() -> None:
    wire = Wire()
    stream = await stream_of(wire, chunk(0, "stdout", b"one"))
    pieces = aiter(stream)
    assert (await anext(pieces)).output == "one"
    await pieces.aclose()
    assert wire.asked == [events.DETACH]
    assert not wire.listeners

    pieces = aiter(stream)
    answered = wire.ask

    async def ask(event: str, request: Request, answer: type[Answer], *, timeout: float = 0) -> Answer:
        if event == events.ATTACH:
            assert request.model_dump()["offset"] == 3
            wire.listeners[ID](chunk(3, "stdout", b"two"))
            wire.listeners[ID](ended())
        return await answered(event, request, answer)

    wire.ask = ask
    assert [piece.output async for piece in pieces] == ["two"]
    assert stream.exit_code == 0


async def test_a_later_reader_takes_over_and_the_earlier_one_is_told() -> None:
    wire = Wire()
    first = await stream_of(wire)
    second = wire.reader()
    await second.listen()
    with pytest.raises(errors.NotSupported):
        await read(first)
    assert wire.asked == [events.DETACH]
    assert second.leave()


@pytest.mark.parametrize(
    ("kind", "error"), [("workspace-restarted", errors.SandboxLost), ("unknown", errors.ExecutionUnknown)]
)
async def test_an_end_that_is_not_known_raises(kind: str, error: type[errors.KubeboxError]) -> None:
    stream = await stream_of(Wire(), chunk(0, "stdout", b"x"), ended(kind))
    pieces = aiter(stream)
    assert (await anext(pieces)).output == "x"
    with pytest.raises(error) as caught:
        await anext(pieces)
    assert caught.value.data["process_id"] == str(ID)


async def test_a_kind_of_end_that_a_newer_server_knows_is_data() -> None:
    stream = await stream_of(Wire(), ended("out-of-memory"))
    assert await read(stream) == []
    assert stream.verdict is not None
    assert stream.verdict.kind == "out-of-memory"
    with pytest.raises(errors.CommandFailed):
        stream.check()


async def test_check_needs_the_end() -> None:
    with pytest.raises(errors.InvalidArgument):
        (await stream_of(Wire())).check()
