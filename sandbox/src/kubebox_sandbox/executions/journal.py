"""The journal of one execution: its output on disk in arrival order, addressed by offset.

The files are the server's own, small pieces of them are written and read at a time (64 KiB at most), and they live in the page
cache for as long as anyone cares. So reads and writes happen right in the loop: a worker thread would cost several times what it
saves, and would let two readers see two different journals.
"""

import os
import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import OutputType
from kubebox_protocol.limits import MAX_OUTPUT_CHUNK_BYTES

SEGMENT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one file: what is dropped at once when the journal is full, and what is kept as the head."""

INDEX_STRIDE: Final = 64 * 1024
"""Bytes of a file between two entries of its index: a reader at any offset scans at most so much."""

_HEADER: Final = struct.Struct("<BI")  # The stream, and the number of bytes that follow.
_STREAMS: Final[tuple[OutputType, OutputType]] = ("stdout", "stderr")
_READ_BYTES: Final = MAX_OUTPUT_CHUNK_BYTES + _HEADER.size
_Index = list[tuple[int, int]]


class Piece(NamedTuple):
    """A piece of output of one stream."""

    offset: int
    stream: OutputType
    data: bytes


class Gap(NamedTuple):
    """Output that is no longer held: bytes from `offset` up to `next_offset`."""

    offset: int
    next_offset: int


@dataclass
class _Segment:
    path: Path
    start: int  # The offset of its first byte of output.
    end: int
    size: int = 0  # Bytes of the file, with headers.
    index: _Index = field(default_factory=_Index)


@dataclass
class Cursor:
    """A reader's place: the next byte's offset and, where that is known, the frame that holds it."""

    offset: int
    segment: int = -1  # The segment's start.
    position: int = 0  # Of the frame, in the file.
    frame: int = 0  # The offset of the frame's first byte.


class Journal:
    """Output on disk, bounded.

    Args:
        folder: For its files; made when the first output comes.
        limit: Bytes on disk. `trim` holds it.
        segment_bytes: See `SEGMENT_BYTES`.
    """

    def __init__(self, folder: Path, limit: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._limit = limit
        self._segment_bytes = min(segment_bytes, max(1, limit // 4))
        self._segments: list[_Segment] = []
        self._writing = -1
        self.size = 0
        self.end = 0
        self.dropped = 0

    @property
    def first_offset(self) -> int:
        """The first byte that is still held after the head; 0 while nothing was dropped."""
        if not self.dropped:
            return 0
        return self._segments[1].start if len(self._segments) > 1 else self.end

    def append(self, stream: OutputType, data: bytes) -> None:
        """Add output. Where the disk takes no more, the output counts as dropped: losing it must not end the command."""
        for start in range(0, len(data), MAX_OUTPUT_CHUNK_BYTES):
            piece = data[start : start + MAX_OUTPUT_CHUNK_BYTES]
            try:
                self._write(stream, piece)
            except OSError:
                self.skip(len(piece))

    def skip(self, count: int) -> None:
        """Count output that is not kept."""
        self._close()
        self.end += count
        self.dropped += count

    def trim(self, floor: int | None) -> bool:
        """Drop the oldest output but the head until the limit holds.

        Args:
            floor: Bytes from here on must stay; `None` to let everything go.

        Returns:
            Whether the limit holds.
        """
        while self.size >= self._limit:
            # The last segment is being written, the first one is the head.
            if len(self._segments) < 3 or (floor is not None and self._segments[1].end > floor):
                return False
            self._drop(self._segments.pop(1))
        return True

    def check(self, offset: int) -> None:
        """Refuse an offset that nothing can be read from.

        Raises:
            Refused: It is beyond the end, or what was there has been dropped.
        """
        if offset > self.end:
            raise Refused(
                ErrorCode.OFFSET_BEYOND_END, "the offset is beyond the end of the output", end_offset=self.end
            )
        if offset < self.end and self._find(offset) is None:
            after = self._next_held(offset)
            raise Refused(
                ErrorCode.OFFSET_EXPIRED,
                f"output up to offset {after} has been dropped; read on from there",
                first_offset=after,
            )

    def held_until(self, offset: int) -> int:
        """The offset up to which everything from this one on is held."""
        while (segment := self._find(offset)) is not None:
            offset = segment.end
        return offset

    def read(self, cursor: Cursor, limit: int) -> Piece | Gap | None:
        """Read the next piece, and move the cursor behind it.

        Args:
            cursor: Where to read.
            limit: Bytes wanted at most.

        Returns:
            Output of one stream, or a gap, or `None` where there is nothing more yet.
        """
        if cursor.offset >= self.end:
            return None
        segment = self._find(cursor.offset)
        if segment is None:
            gap = Gap(cursor.offset, self._next_held(cursor.offset))
            cursor.offset = gap.next_offset
            return gap
        descriptor = self._open(segment)
        try:
            if cursor.segment != segment.start:
                _seek(cursor, segment, descriptor)
            return _read_run(cursor, segment, descriptor, min(limit, MAX_OUTPUT_CHUNK_BYTES))
        finally:
            if descriptor != self._writing:
                os.close(descriptor)

    def seal(self) -> None:
        """Close the file that is being written; more may still be appended."""
        self._close()

    def delete(self) -> None:
        """Remove everything from the disk. Blocks; for a worker thread, when nobody reads any more."""
        self._close()
        for segment in self._segments:
            segment.path.unlink(missing_ok=True)
        self._segments.clear()
        if self._folder.is_dir():
            self._folder.rmdir()

    def _write(self, stream: OutputType, data: bytes) -> None:
        segment = self._segment()
        if not segment.index or segment.size - segment.index[-1][1] >= INDEX_STRIDE:
            segment.index.append((segment.end, segment.size))
        frame = _HEADER.pack(_STREAMS.index(stream), len(data)) + data
        if os.pwrite(self._writing, frame, segment.size) != len(frame):
            raise OSError("a frame was cut short")  # Nothing refers to it; the next one is written over it.
        segment.size += len(frame)
        segment.end += len(data)
        self.size += len(frame)
        self.end += len(data)

    def _segment(self) -> _Segment:
        if self._segments:
            last = self._segments[-1]
            if last.size == 0:  # The disk was full: a segment is made once, not once for each try.
                last.start = last.end = self.end
                last.index.clear()
            if last.end == self.end and last.size < self._segment_bytes:
                if self._writing < 0:
                    self._writing = os.open(last.path, os.O_RDWR | os.O_CLOEXEC)
                return last
        self._close()
        if not self._segments:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        segment = _Segment(self._folder / str(self.end), self.end, self.end)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._writing = os.open(segment.path, flags, 0o600)
        self._segments.append(segment)
        return segment

    def _open(self, segment: _Segment) -> int:
        if self._writing >= 0 and segment is self._segments[-1]:
            return self._writing
        return os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)

    def _find(self, offset: int) -> _Segment | None:
        place = bisect_right(self._segments, offset, key=lambda segment: segment.start) - 1
        if place < 0 or offset >= self._segments[place].end:
            return None
        return self._segments[place]

    def _next_held(self, offset: int) -> int:
        place = bisect_right(self._segments, offset, key=lambda segment: segment.start)
        return self._segments[place].start if place < len(self._segments) else self.end

    def _drop(self, segment: _Segment) -> None:
        segment.path.unlink(missing_ok=True)
        self.size -= segment.size
        self.dropped += segment.end - segment.start

    def _close(self) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1


def _seek(cursor: Cursor, segment: _Segment, descriptor: int) -> None:
    entry = bisect_right(segment.index, cursor.offset, key=lambda known: known[0]) - 1
    frame, position = segment.index[entry]
    # From one entry of the index to the next it is the stride and at most one more frame.
    block = os.pread(descriptor, INDEX_STRIDE + _READ_BYTES, position)
    at = 0
    while True:
        _, length = _HEADER.unpack_from(block, at)
        if frame + length > cursor.offset:
            break
        frame += length
        at += _HEADER.size + length
    cursor.segment, cursor.position, cursor.frame = segment.start, position + at, frame


def _read_run(cursor: Cursor, segment: _Segment, descriptor: int, limit: int) -> Piece:
    """Join frames of one stream, up to the limit: a command that writes single bytes must not cost a message for each."""
    skipped = cursor.offset - cursor.frame
    block = os.pread(
        descriptor, min(limit + skipped + _HEADER.size, segment.size - cursor.position), cursor.position
    )
    stream: Literal[0, 1] = block[0]  # pyright: ignore[reportAssignmentType] - `append` wrote it
    offset, parts, at, room = cursor.offset, list[bytes](), 0, limit
    while room > 0 and at + _HEADER.size <= len(block):
        kind, length = _HEADER.unpack_from(block, at)
        if kind != stream:
            break
        start = at + _HEADER.size + skipped
        part = block[start : min(start + room, at + _HEADER.size + length)]
        parts.append(part)
        room -= len(part)
        cursor.offset += len(part)
        if skipped + len(part) < length:
            break
        at, skipped = at + _HEADER.size + length, 0
        cursor.position += _HEADER.size + length
        cursor.frame = cursor.offset
    return Piece(offset, _STREAMS[stream], b"".join(parts))
