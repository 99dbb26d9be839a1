"""Output that has come: decoded, and kept in bounds."""

import codecs
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from kubebox_protocol.limits import RESULT_STREAM_BYTES
from kubebox_protocol.output import OutputChunk, OutputType

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


class Splitter:
    """Cuts the bytes of two streams between characters, so that each piece can be decoded by itself, or not at all.

    To decode what is no text costs many times what it takes to receive it.
    """

    def __init__(self) -> None:
        self._begun: dict[OutputType, bytes] = {"stdout": b"", "stderr": b""}

    def cut(self, type: OutputType, data: bytes) -> bytes:
        """The bytes that are complete with these; the beginning of a character waits for its rest."""
        whole = self._begun[type] + data if self._begun[type] else data
        # What is begun lies within the last bytes: a character has four at most.
        tail = whole[-3:]
        _, complete = codecs.utf_8_decode(tail, "replace", False)
        cut = len(whole) - len(tail) + complete
        self._begun[type] = whole[cut:]
        return whole if cut == len(whole) else whole[:cut]

    def flush(self, type: OutputType) -> bytes:
        """What never became complete."""
        begun, self._begun[type] = self._begun[type], b""
        return begun


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
    """All output of a command, each stream's head and tail where it is too much.

    Args:
        limit: Bytes of each stream that are kept.

    Attributes:
        limit: As given.
    """

    def __init__(self, limit: int = RESULT_STREAM_BYTES) -> None:
        self.limit = limit
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

    def skip(self, type: OutputType | None = None) -> None:
        """What comes next does not follow on what came before: of one stream, or, since nobody knows of which, of both."""
        self._gap = True
        for each in STREAMS if type is None else (type,):
            self._follows[each] = False

    def pieces(self, type: OutputType) -> list[Piece]:
        """One stream's."""
        return self._streams[type].pieces()

    def all_pieces(self) -> list[Piece]:
        """Both streams' in order of arrival."""
        return sorted((*self.pieces("stdout"), *self.pieces("stderr")), key=attrgetter("offset"))


def join(pieces: Iterable[Piece]) -> bytes:
    """The bytes of pieces."""
    return b"".join([piece.data for piece in pieces])


def text(pieces: Sequence[Piece]) -> str:
    """The text of pieces; a character that is split between two of one stream comes out whole."""
    if len(pieces) < 2:  # Most commands print little: three decoders would cost more than all the rest.
        return join(pieces).decode("utf-8", "replace")
    decoder = TextDecoder()
    parts: list[str] = []
    for piece in pieces:
        if not piece.follows:
            parts.append(decoder.flush(piece.type))
        parts.append(decoder.decode(piece.type, piece.data))
    return "".join((*parts, decoder.flush("stdout"), decoder.flush("stderr")))
