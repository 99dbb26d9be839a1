"""What is read from a journal: pieces of output, gaps where it was dropped, and the place of whoever reads."""

from dataclasses import dataclass
from typing import NamedTuple

from kubebox_protocol.output import OutputType
from kubebox_sandbox.executions.segment import HEADER, STREAMS, Segment


class Piece(NamedTuple):
    """A piece of output of one stream; `at` is when its first byte came, in seconds from the execution's start."""

    offset: int
    stream: OutputType
    data: bytes
    at: float = 0.0


class Gap(NamedTuple):
    """Output that is no longer held: bytes from `offset` up to `next_offset`."""

    offset: int
    next_offset: int


@dataclass
class Cursor:
    """A reader's place: the next byte's offset and, where that is known, the frame that holds it."""

    offset: int
    segment: int = -1  # The segment's start.
    position: int = 0  # Of the frame, in the segment.
    frame: int = 0  # The offset of the frame's first byte.


def read_run(cursor: Cursor, segment: Segment, limit: int) -> Piece:
    """Join frames of one stream, up to the limit.

    A command that writes single bytes must not cost a message for each.
    """
    skipped = cursor.offset - cursor.frame
    block = segment.read(cursor.position, limit + skipped + HEADER.size)
    stream, when, _ = HEADER.unpack_from(block)
    offset, parts, at, room = cursor.offset, list[bytes](), 0, limit
    while room > 0 and at + HEADER.size <= len(block):
        kind, _, length = HEADER.unpack_from(block, at)
        if kind != stream:
            break
        start = at + HEADER.size + skipped
        part = block[start : min(start + room, at + HEADER.size + length)]
        parts.append(part)
        room -= len(part)
        cursor.offset += len(part)
        if skipped + len(part) < length:
            break
        at, skipped = at + HEADER.size + length, 0
        cursor.position += HEADER.size + length
        cursor.frame = cursor.offset
    return Piece(offset, STREAMS[stream], b"".join(parts), when)
