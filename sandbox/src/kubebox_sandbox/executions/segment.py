"""A segment of a journal: frames of output, one after the other, in a file or, while they are few, in memory.

The files are the server's own, small pieces of them are written and read at a time (64 KiB at most), and they
live in the page cache for as long as anyone cares. So reads and writes happen right in the loop: a worker thread
would cost several times what it saves, and would let two readers see two different journals.
"""

import os
import struct
from bisect import bisect_right
from pathlib import Path
from typing import Final

from kubebox_protocol.executions import OutputType
from kubebox_protocol.limits import MAX_OUTPUT_CHUNK_BYTES

MEMORY_BYTES: Final = 16 * 1024
"""Bytes of a journal that stay in memory: most commands print less, and making a folder and a file costs as much
as a quarter of running one. A thousand kept records take 16 MB at most."""

INDEX_STRIDE: Final = 64 * 1024
"""Bytes of a segment between two entries of its index: a reader at any offset scans at most so much."""

HEADER: Final = struct.Struct("<BI")
"""A frame's beginning: its stream, and the number of bytes that follow."""

STREAMS: Final[tuple[OutputType, OutputType]] = ("stdout", "stderr")


class Segment:
    """Frames from one offset on.

    Attributes:
        start: The offset of its first byte of output.
        end: The offset behind its last.
        size: Its bytes, headers included.
    """

    def __init__(self, path: Path, start: int, *, in_memory: bool) -> None:
        self.start = start
        self.end = start
        self.size = 0
        self._path = path
        self._memory: bytearray | None = bytearray() if in_memory else None
        self._descriptor = -1
        self._index: list[tuple[int, int]] = []

    def write(self, stream: OutputType, data: bytes) -> int:
        """Add a frame, and return its size.

        Raises:
            OSError: The disk does not take it. Nothing refers to what was written of it; the next frame goes over it.
        """
        frame = HEADER.pack(STREAMS.index(stream), len(data)) + data
        if self._memory is not None and self.size + len(frame) <= MEMORY_BYTES:
            self._memory += frame
        else:
            self._write_out(frame)
        if not self._index or self.size - self._index[-1][1] >= INDEX_STRIDE:
            self._index.append((self.end, self.size))
        self.size += len(frame)
        self.end += len(data)
        return len(frame)

    def read(self, position: int, count: int) -> bytes:
        """Bytes of it, fewer at its end."""
        count = min(count, self.size - position)
        if self._memory is not None:
            return bytes(self._memory[position : position + count])
        if self._descriptor >= 0:
            return os.pread(self._descriptor, count, position)
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, count, position)
        finally:
            os.close(descriptor)

    def find(self, offset: int) -> tuple[int, int]:
        """Where the frame is that holds this byte of output, and the offset of the frame's first."""
        frame, position = self._index[bisect_right(self._index, offset, key=lambda entry: entry[0]) - 1]
        # From one entry of the index to the next it is the stride and at most one more frame.
        block = self.read(position, INDEX_STRIDE + HEADER.size + MAX_OUTPUT_CHUNK_BYTES)
        at = 0
        while True:
            _, length = HEADER.unpack_from(block, at)
            if frame + length > offset:
                return position + at, frame
            frame += length
            at += HEADER.size + length

    def move(self, start: int) -> None:
        """Begin elsewhere: nothing could be written to it yet."""
        self.start = self.end = start

    def close(self) -> None:
        """Close its file; it can still be read and written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def delete(self) -> None:
        """Remove its file."""
        self.close()
        if self._memory is None:
            self._path.unlink(missing_ok=True)

    def _write_out(self, frame: bytes) -> None:
        if self._descriptor < 0:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        if self._memory is not None:
            _write_at(self._descriptor, self._memory, 0)
            self._memory = None
        _write_at(self._descriptor, frame, self.size)


def _write_at(descriptor: int, data: bytes | bytearray, position: int) -> None:
    if os.pwrite(descriptor, data, position) != len(data):
        raise OSError("a write was cut short")
