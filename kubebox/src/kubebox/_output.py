"""Output on its way: read against credit, decoded, and kept in bounds."""

import asyncio
import codecs
import contextlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final
from uuid import UUID

from kubebox import errors
from kubebox._transport.base import Happening, Transport
from kubebox.errors import AnswerInvalid, KubeboxError, NotSupported
from kubebox_protocol import events
from kubebox_protocol.base import Answer
from kubebox_protocol.executions import (
    AttachRequest,
    CreditRequest,
    ExecutionEnded,
    ExecutionRequest,
    OutputChunk,
    OutputGap,
    OutputType,
)
from kubebox_protocol.limits import RESULT_STREAM_BYTES, STREAM_CREDIT_BYTES

REGRANT_BYTES: Final = STREAM_CREDIT_BYTES // 2
"""Bytes read until as many are granted anew. Half is in flight meanwhile: the server never waits."""

DETACH_SECONDS: Final = 5.0
"""Seconds for a goodbye that nobody needs: the server drops a reader with its connection."""


class OutputReader:
    """One place in an execution's output.

    A connection has one reader for each execution; a later one takes over from an earlier one.
    """

    def __init__(self, transport: Transport, session_id: str, execution_id: UUID, offset: int = 0) -> None:
        self._transport = transport
        self._session_id = session_id
        self._execution_id = execution_id
        self._queue: asyncio.Queue[Happening] = asyncio.Queue()
        self._consumed = 0
        self._unacknowledged = 0
        self.offset = offset

    def check_loop(self) -> None:
        """Refuse another event loop than the connection's: there, nothing would ever come."""
        self._transport.check_loop()

    async def listen(self) -> None:
        """Be told what happens from now on. Must come before the request that makes it happen."""
        await self._transport.ready()
        previous = self._transport.listen(self._execution_id, self._queue.put_nowait)
        if previous is not None:
            previous(
                NotSupported(
                    "another loop of this client took over this output; use a client for each reader"
                )
            )
            await self._send_detach()
            while not self._queue.empty():
                self._queue.get_nowait()  # was meant for the other reader

    async def attach(self, credit: int = STREAM_CREDIT_BYTES) -> None:
        """Ask for the output from the reader's offset on."""
        await self.listen()
        request = AttachRequest(
            session_id=self._session_id, execution_id=self._execution_id, offset=self.offset, credit=credit
        )
        try:
            await self._transport.ask(events.ATTACH, request, Answer)
        except BaseException:  # cancellation too: nobody will read
            self.leave()
            raise

    async def next(self) -> OutputChunk | OutputGap | ExecutionEnded:
        """What happens next. Asking for it says that what was given before is done with.

        Raises:
            KubeboxError: The connection was lost, or the output does not fit together.
        """
        self.check_loop()
        await self._grant()
        happening = await self._queue.get()
        if isinstance(happening, KubeboxError):
            happening = await self._transport.explain(happening)
            happening.data.setdefault("process_id", str(self._execution_id))
            happening.data.setdefault("offset", self.offset)
            raise happening
        if isinstance(happening, ExecutionEnded):
            self.leave()
            return happening
        if happening.offset != self.offset:
            await self.detach()
            raise AnswerInvalid(
                f"the server sent output from {happening.offset} on, where {self.offset} was due"
            )
        if isinstance(happening, OutputChunk):
            self.offset += len(happening.data)
            self._unacknowledged = len(happening.data)
        else:
            self.offset = happening.next_offset
        return happening

    def take(self, ended: ExecutionEnded) -> None:
        """Take an end that came with the answer to the start instead of as an event."""
        self._queue.put_nowait(ended)

    async def end(self) -> ExecutionEnded:
        """The end, for a reader that granted no credit."""
        while True:
            happening = await self.next()
            if isinstance(happening, ExecutionEnded):
                return happening

    def leave(self) -> bool:
        """Stop listening; false where there was nothing to stop."""
        return self._transport.leave(self._execution_id, self._queue.put_nowait)

    async def detach(self) -> None:
        """Leave the output; the command goes on."""
        if self.leave():
            await self._send_detach()

    async def _grant(self) -> None:
        self._consumed += self._unacknowledged
        self._unacknowledged = 0
        if self._consumed >= REGRANT_BYTES:
            credit, self._consumed = self._consumed, 0
            request = CreditRequest(
                session_id=self._session_id, execution_id=self._execution_id, credit=credit
            )
            await self._transport.tell(events.CREDIT, request)

    async def _send_detach(self) -> None:
        request = ExecutionRequest(session_id=self._session_id, execution_id=self._execution_id)
        # Where one of these is raised, there is nothing to leave any more.
        with contextlib.suppress(errors.ConnectionFailed, errors.ExecutionError, errors.SessionError):
            await self._transport.ask(events.DETACH, request, Answer, timeout=DETACH_SECONDS)


STREAMS: Final[tuple[OutputType, OutputType]] = ("stdout", "stderr")


class TextDecoder:
    """UTF-8 of two streams, decoded piece by piece: a character split between pieces comes out whole."""

    def __init__(self) -> None:
        new = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": new("replace"), "stderr": new("replace")}

    def decode(self, type: OutputType, data: bytes) -> str:
        """The text that is complete with these bytes."""
        return self._decoders[type].decode(data)

    def flush(self, type: OutputType) -> str:
        """A replacement for what never became complete, if anything."""
        text = self._decoders[type].decode(b"", final=True)
        self._decoders[type].reset()
        return text


@dataclass(frozen=True)
class Piece:
    """Bytes of one stream.

    Attributes:
        offset: Where they are in the output of both streams.
        type: Their stream.
        data: The bytes.
        follows: Whether they follow on the piece before of the same stream; false after a cut.
    """

    offset: int
    type: OutputType
    data: bytes
    follows: bool


class _Bounded:
    """One stream's head and tail."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head: list[Piece] = []
        self._tail: deque[Piece] = deque()
        self._head_bytes = 0
        self._tail_bytes = 0
        self.cut = False

    def add(self, piece: Piece) -> None:
        room = self._half - self._head_bytes
        if room >= len(piece.data) and not self._tail:
            self._head.append(piece)
            self._head_bytes += len(piece.data)
            return
        if room > 0 and not self._tail:
            self._head.append(Piece(piece.offset, piece.type, piece.data[:room], piece.follows))
            self._head_bytes += room
            piece = Piece(piece.offset + room, piece.type, piece.data[room:], True)
        self._tail.append(piece)
        self._tail_bytes += len(piece.data)
        while self._tail_bytes > self._half:
            self._drop(self._tail_bytes - self._half)

    def _drop(self, surplus: int) -> None:
        self.cut = True
        first = self._tail.popleft()
        dropped = min(surplus, len(first.data))
        self._tail_bytes -= dropped
        if dropped < len(first.data):
            self._tail.appendleft(Piece(first.offset + dropped, first.type, first.data[dropped:], False))
        elif self._tail:
            second = self._tail.popleft()
            self._tail.appendleft(Piece(second.offset, second.type, second.data, False))

    def pieces(self) -> list[Piece]:
        return [*self._head, *self._tail]


class Collector:
    """All output of a command, each stream's head and tail where it is too much."""

    def __init__(self, limit: int = RESULT_STREAM_BYTES) -> None:
        self._streams: dict[OutputType, _Bounded] = {"stdout": _Bounded(limit), "stderr": _Bounded(limit)}
        self._follows: dict[OutputType, bool] = {"stdout": True, "stderr": True}
        self._gap = False

    @property
    def truncated(self) -> bool:
        """Whether any byte is missing."""
        return self._gap or any(stream.cut for stream in self._streams.values())

    def add(self, chunk: OutputChunk) -> None:
        """Keep a piece of output."""
        self._streams[chunk.type].add(Piece(chunk.offset, chunk.type, chunk.data, self._follows[chunk.type]))
        self._follows[chunk.type] = True

    def skip(self) -> None:
        """What comes next does not follow on what came before."""
        self._gap = True
        self._follows = {"stdout": False, "stderr": False}

    def pieces(self, type: OutputType) -> list[Piece]:
        """One stream's."""
        return self._streams[type].pieces()

    def all_pieces(self) -> list[Piece]:
        """Both streams' in order of arrival."""
        return sorted((*self.pieces("stdout"), *self.pieces("stderr")), key=attrgetter("offset"))


def join(pieces: Iterable[Piece]) -> bytes:
    """The bytes of pieces."""
    return b"".join(piece.data for piece in pieces)


def text(pieces: Iterable[Piece]) -> str:
    """The text of pieces; a character that is split between two of one stream comes out whole."""
    decoder = TextDecoder()
    parts: list[str] = []
    for piece in pieces:
        if not piece.follows:
            parts.append(decoder.flush(piece.type))
        parts.append(decoder.decode(piece.type, piece.data))
    return "".join((*parts, decoder.flush("stdout"), decoder.flush("stderr")))
