"""Output on its way: exact bytes, whole characters, bounded memory, credit for what was really read."""

import asyncio
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubebox import errors
from kubebox._collect import Collector, join, text
from kubebox._output import OutputReader
from kubebox._results import CommandOutput, CommandStream
from kubebox._transport.base import Listener, Transport
from kubebox_protocol import events
from kubebox_protocol.base import Answer, Request
from kubebox_protocol.executions import CommandMode, Execution
from kubebox_protocol.limits import STREAM_CREDIT_BYTES
from kubebox_protocol.output import (
    AttachRequest,
    CreditRequest,
    ExecutionEnded,
    OutputChunk,
    OutputGap,
    OutputType,
)
from kubebox_protocol.verdicts import Verdict

STREAM: st.SearchStrategy[OutputType] = st.sampled_from(("stdout", "stderr"))
TEXT_BYTES = st.text(alphabet="aé€😀\n").map(str.encode)
CHUNKS = st.lists(st.tuples(STREAM, st.binary(min_size=1, max_size=12)), max_size=20)
ID = uuid4()


class Wire:
    """A transport that plays back what a server would send, and keeps what it is asked."""

    connected = True

    def __init__(self) -> None:
        self.reconnect = 60.0
        self.listeners: dict[UUID, Listener] = {}
        self.asked: list[str] = []
        self.attached_at: list[int] = []
        self.credits: list[int] = []
        self.credit = 0
        self.answer: Callable[[str, Request], None] = lambda event, request: None
        self.refusal: errors.KubeboxError | None = None
        self.turn = asyncio.Lock()

    def check_loop(self) -> None:
        pass

    async def explain(self, error: errors.KubeboxError) -> errors.KubeboxError:
        return error

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        previous = self.listeners.get(execution_id)
        self.listeners[execution_id] = listener
        return previous

    def leave(self, execution_id: UUID, listener: Listener) -> bool:
        return self.listeners.get(execution_id) == listener and self.listeners.pop(execution_id) is not None

    async def ask(
        self,
        event: str,
        request: Request,
        answer: type[Answer],
        *,
        before: Callable[[], None] | None = None,
        **_: object,
    ) -> Answer:
        if before is not None:
            before()
        self.asked.append(event)
        if isinstance(request, AttachRequest):
            self.attached_at.append(request.offset)
            self.credits.append(request.credit)
        if self.refusal is not None:
            raise self.refusal
        self.answer(event, request)
        return answer.model_construct()

    def plays(self, *happenings: Any) -> None:
        """Let the server send this when it is asked for output."""

        def answer(event: str, request: Request) -> None:
            if event == events.ATTACH:
                for happening in happenings:
                    self.listeners[ID](happening)

        self.answer = answer

    async def tell(self, event: str, request: Request, before: Callable[[], None] | None = None) -> None:
        assert isinstance(request, CreditRequest)
        async with self.turn:
            if before is not None:
                before()
            self.credit += request.credit

    def reader(self, credit: int = STREAM_CREDIT_BYTES) -> OutputReader:
        return OutputReader(cast("Transport", self), "s", ID, credit=credit)


def lost() -> errors.ConnectionLost:
    return errors.ConnectionLost("the line broke")


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

    wire.plays(chunk(3, "stdout", b"two"), ended())
    assert [piece.output async for piece in stream] == ["two"]
    assert wire.attached_at == [3]
    assert stream.exit_code == 0


async def test_a_loop_goes_on_although_the_one_before_was_not_closed_yet() -> None:
    wire = Wire()
    stream = await stream_of(wire, chunk(0, "stdout", b"one"), chunk(3, "stdout", b"two"), ended())
    async for piece in stream:
        assert piece.output == "one"
        break
    assert [piece.output async for piece in stream] == ["two"]
    assert wire.asked == []


async def test_what_was_left_unread_is_not_read_twice() -> None:
    wire = Wire()
    stream = await stream_of(wire, chunk(0, "stdout", b"one"), chunk(3, "stdout", b"two"))
    pieces = aiter(stream)
    await anext(pieces)
    await pieces.aclose()
    wire.plays(chunk(3, "stdout", b"two"), ended())
    assert [piece.output async for piece in stream] == ["two"]


async def test_what_had_come_is_read_before_the_stream_goes_on_elsewhere() -> None:
    wire = Wire()
    half = bytes(STREAM_CREDIT_BYTES // 2)
    stream = await stream_of(wire, chunk(0, "stdout", half), lost())
    wire.plays(chunk(len(half), "stdout", b"b"), ended())
    pieces = aiter(stream)
    assert (await anext(pieces)).data == half
    assert wire.asked == []
    assert [piece.data async for piece in pieces] == [b"b"]
    assert wire.asked == [events.ATTACH]
    assert wire.attached_at == [len(half)]
    assert stream.dropped_bytes == 0


async def test_what_comes_again_with_a_repeated_request_is_read_once() -> None:
    wire = Wire()
    stream = await stream_of(wire, lost(), chunk(0, "stdout", b"stale"))
    wire.plays(chunk(0, "stdout", b"fresh"), ended())
    assert [piece.output for piece in await read(stream)] == ["fresh"]


async def test_a_waiting_reader_asks_for_the_end_alone() -> None:
    wire = Wire()
    reader = wire.reader(credit=0)
    await reader.listen()
    wire.listeners[ID](lost())
    wire.plays(ended())
    assert (await reader.end()).execution.verdict is not None
    assert wire.credits == [0]


async def test_a_reader_that_was_replaced_while_it_was_cut_off_does_not_come_back() -> None:
    wire = Wire()
    first = await stream_of(wire, lost())
    second = wire.reader()
    await second.listen()
    with pytest.raises(errors.NotSupported):
        await read(first)
    assert events.ATTACH not in wire.asked
    assert second.leave()


@pytest.mark.parametrize("error", [errors.OffsetExpired("gone"), errors.ExecutionNotFound("gone")])
async def test_what_the_server_has_no_more_is_told_as_that(error: errors.KubeboxError) -> None:
    wire = Wire()
    stream = await stream_of(wire, chunk(0, "stdout", b"one"), lost())
    wire.refusal = error
    pieces = aiter(stream)
    await anext(pieces)
    with pytest.raises(type(error)) as caught:
        await anext(pieces)
    assert caught.value.data == {"process_id": str(ID), "offset": 3}
    assert not wire.listeners


async def test_connections_that_are_lost_again_and_again_without_a_byte_are_given_up() -> None:
    wire = Wire()
    wire.reconnect = 0.2
    stream = await stream_of(wire, lost())
    wire.answer = lambda event, request: wire.listeners[ID](lost())
    with pytest.raises(errors.ConnectionLost):
        await read(stream)
    assert wire.asked.count(events.ATTACH) > 1


async def test_without_patience_each_loss_is_told() -> None:
    wire = Wire()
    wire.reconnect = 0
    stream = await stream_of(wire, chunk(0, "stdout", b"one"), lost())
    pieces = aiter(stream)
    await anext(pieces)
    with pytest.raises(errors.ConnectionLost) as caught:
        await anext(pieces)
    assert caught.value.data == {"process_id": str(ID), "offset": 3}
    assert wire.asked == []
    wire.plays(chunk(3, "stdout", b"two"), ended())
    assert [piece.output async for piece in stream] == ["two"]


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


async def cancelled_while_it_waits(reader: OutputReader) -> None:
    """Let `next` begin, and cancel it."""
    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_credit_of_a_reader_that_was_cancelled_while_others_send_is_granted_once() -> None:
    wire = Wire()
    reader = wire.reader()
    await reader.listen()
    half = b"x" * (STREAM_CREDIT_BYTES // 2)
    for offset in (0, len(half)):
        wire.listeners[ID](chunk(offset, "stdout", half))
    await reader.next()
    async with wire.turn:
        await cancelled_while_it_waits(reader)
        assert wire.credit == 0
    await reader.next()
    assert wire.credit == len(half)


async def test_a_reader_that_was_cancelled_while_a_loss_is_explained_attaches_again() -> None:
    wire = Wire()
    wire.reconnect = 0
    reader = wire.reader()
    await reader.listen()
    explaining = asyncio.Lock()

    async def explain(error: errors.KubeboxError) -> errors.KubeboxError:
        async with explaining:
            return error

    wire.explain = explain
    wire.listeners[ID](lost())
    async with explaining:
        await cancelled_while_it_waits(reader)
    assert not reader.listening
    assert not wire.listeners
