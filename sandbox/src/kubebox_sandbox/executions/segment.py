"""A segment of a journal: frames of output, one after the other, in a file.

The files are the server's own, small pieces of them are written and read at a time (64 KiB at most), and they
live in the page cache for as long as anyone cares. So reads and writes happen right in the loop: a worker thread
would cost several times what it saves, and would let two readers see two different journals.

A file's name says what a server that starts anew has to know: whose output it is, and from which offset on; once no more
is added, also up to which. So only the last file of each journal has to be read then.
"""

import errno
import os
import struct
from bisect import bisect_right
from pathlib import Path
from typing import Final, Self

from kubebox_protocol.limits import MAX_OUTPUT_CHUNK_BYTES
from kubebox_protocol.output import OutputType

MEMORY_BYTES: Final = 16 * 1024
"""Bytes of a journal's first segment that are also held in memory: most commands print less, and are read at once. A
thousand kept records take 16 MB at most."""

INDEX_STRIDE: Final = 64 * 1024
"""Bytes of a segment between two entries of its index: a reader at any offset scans at most so much."""

SCAN_BYTES: Final = 1024 * 1024
"""Bytes that are read at a time where a file's frames are looked for."""

HEADER: Final = struct.Struct("<BdI")
"""A frame's beginning: its stream, the seconds from the execution's start, and the number of bytes that follow."""

STREAMS: Final[tuple[OutputType, OutputType]] = ("stdout", "stderr")
DIGITS: Final = 19
"""Digits of an offset in a file's name, so that names sort as offsets do."""


FOR_NOW: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
"""Errors that say nothing of the file: the server is short of something, and nothing is lost."""


class Torn(OSError):
    """The disk failed when it had taken output that the pipe no longer has.

    Args:
        lost: Bytes of it.
    """

    def __init__(self, lost: int) -> None:
        super().__init__(f"{lost} bytes are lost")
        self.lost = lost


class Segment:
    """Frames from one offset on.

    Args:
        folder: Where its file is; made with its first frame.
        name: The journal's.
        start: The offset of its first byte of output.
        in_memory: Whether its beginning is also held in memory.

    Attributes:
        start: The offset of its first byte of output.
        end: The offset behind its last.
        size: Its bytes, headers included.
        has_file: Whether there is anything of it on the disk.
        is_head: Whether the beginning of a stream is in it.
        is_sealed: Whether its file's name says where it ends, so that nothing may be added.
    """

    def __init__(self, folder: Path, name: str, start: int, *, in_memory: bool = False) -> None:
        self.start = start
        self.end = start
        self.size = 0
        self.has_file = False
        self.is_head = False
        self.is_sealed = False
        self._folder = folder
        self._name = name
        self._path = self._path_of(start)
        self._memory: bytearray | None = bytearray() if in_memory else None
        self._descriptor = -1
        self._index: list[tuple[int, int]] | None = []
        self._found = (start, 0)

    @classmethod
    def found(cls, path: Path) -> Self:
        """The segment in a file that an earlier server has left.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no segment's.
        """
        name, _, span = path.name.rpartition(".")
        first, _, last = span.partition("-")
        segment = cls(path.parent, name, int(first))
        segment._path = path
        segment._index = None
        segment.has_file = True
        segment.size = path.stat().st_size
        if last:
            segment.end = int(last)
            segment.is_sealed = True
        else:
            segment._scan()
            # What was torn is cut off: behind the next frame, if that is shorter, its rest would be taken for frames.
            if segment.size < path.stat().st_size:
                os.truncate(path, segment.size)
        return segment

    def write(self, stream: OutputType, data: bytes, at: float) -> None:
        """Add a frame.

        Raises:
            OSError: The disk does not take it. Nothing is left of it.
        """
        frame = HEADER.pack(STREAMS.index(stream), at, len(data)) + data
        self._write_out(frame)
        if self._memory is not None:
            self._memory += frame
            if len(self._memory) > MEMORY_BYTES:
                self._memory = None
        self._added(len(data))

    def take(self, stream: OutputType, pipe: int, count: int, at: float) -> int:
        """Add a frame of bytes that a pipe holds, and return how many of them there were.

        The kernel moves the bytes from the pipe to the file, so that each is in one of the two, whenever the server is killed.
        The frame's header comes first: where bytes are missing at the file's end, the pipe still has them.

        Args:
            stream: Which.
            pipe: The pipe.
            count: Bytes, no more than it holds.
            at: Seconds from the execution's start.

        Raises:
            BlockingIOError: It holds nothing any more.
            OSError: The disk does not take it. Nothing is left of it, and the pipe holds what it did.
            Torn: The disk failed when it had taken it.
        """
        self._open()
        kind, content = STREAMS.index(stream), self.size + HEADER.size
        try:
            self._write_whole(HEADER.pack(kind, at, count))
            moved = os.splice(pipe, self._descriptor, count, offset_dst=content, flags=os.SPLICE_F_NONBLOCK)
            if not moved:  # Somebody else has read it meanwhile.
                raise BlockingIOError
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        try:
            if moved != count:
                self._write_whole(HEADER.pack(kind, at, moved))
            self._remember(content, moved)
        except OSError as error:
            os.ftruncate(self._descriptor, self.size)
            raise Torn(moved) from error
        self._added(moved)
        return moved

    def _remember(self, content: int, moved: int) -> None:
        if self._memory is None:
            return
        if content + moved > MEMORY_BYTES:
            self._memory = None
        else:
            self._memory += os.pread(self._descriptor, HEADER.size + moved, self.size)

    def _added(self, count: int) -> None:
        if self._index is not None and (not self._index or self.size - self._index[-1][1] >= INDEX_STRIDE):
            self._index.append((self.end, self.size))
        self.size += HEADER.size + count
        self.end += count

    def read(self, position: int, count: int) -> bytes:
        """Bytes of it, fewer at its end.

        Raises:
            OSError: The disk does not give them.
        """
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
        if self._index is None:
            self._scan()
        index = self._index or [(self.start, 0)]
        frame, position = index[bisect_right(index, offset, key=lambda entry: entry[0]) - 1]
        if frame < self._found[0] <= offset:  # As for a shell, whose commands are read one after the other.
            frame, position = self._found
        # From one entry of the index to the next it is the stride and at most one more frame.
        block = self.read(position, INDEX_STRIDE + HEADER.size + MAX_OUTPUT_CHUNK_BYTES)
        at = 0
        while True:
            _, _, length = HEADER.unpack_from(block, at)
            if frame + length > offset:
                self._found = (frame, position + at)
                return position + at, frame
            frame += length
            at += HEADER.size + length

    def move(self, start: int) -> None:
        """Begin elsewhere: nothing could be written to it yet."""
        self.delete()
        self.start = self.end = start
        self._found = (start, 0)
        self._path = self._path_of(start)

    def seal(self) -> None:
        """Nothing more is added."""
        self.close()
        sealed = self._folder / f"{self._path.name}-{self.end:0{DIGITS}}"
        try:
            os.rename(self._path, sealed)
        except OSError:  # Then it is read once more when a server starts anew.
            return
        self._path = sealed
        self.is_sealed = True

    def close(self) -> None:
        """Close its file; it can still be read and written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def delete(self) -> None:
        """Remove its file."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _path_of(self, start: int) -> Path:
        return self._folder / f"{self._name}.{start:0{DIGITS}}"

    def _open(self) -> None:
        if self._descriptor < 0:
            # One of that name that was given up when it was found must not shine through.
            anew = 0 if self.size else os.O_TRUNC
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | anew
            self._descriptor = os.open(self._path, flags, 0o600)
            self.has_file = True

    def _write_whole(self, content: bytes) -> None:
        if os.pwrite(self._descriptor, content, self.size) != len(content):
            raise OSError("a write was cut short")

    def _write_out(self, frame: bytes) -> None:
        self._open()
        try:
            self._write_whole(frame)
        except OSError:
            # A server that starts anew must not take a part of a frame for one.
            os.ftruncate(self._descriptor, self.size)
            raise

    def _finish(self, header: bytes, position: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, header, position)
        finally:
            os.close(descriptor)

    def _scan(self) -> None:
        """Find its end and make its index. What a server that was killed had not written to the end is left out."""
        index: list[tuple[int, int]] = []
        position, offset, size = 0, self.start, self.size
        while position < size:
            block = self.read(position, SCAN_BYTES)
            begin = position
            while position - begin + HEADER.size <= len(block):
                stream, when, length = HEADER.unpack_from(block, position - begin)
                rest = size - position - HEADER.size
                if 0 < rest < length <= MAX_OUTPUT_CHUNK_BYTES:
                    length = rest
                    self._finish(HEADER.pack(stream, when, length), position)
                whole = position + HEADER.size + length
                if whole > size or stream >= len(STREAMS) or not 0 < length <= MAX_OUTPUT_CHUNK_BYTES:
                    size = position
                    break
                if not index or position - index[-1][1] >= INDEX_STRIDE:
                    index.append((offset, position))
                position, offset = whole, offset + length
            if position == begin:  # The rest is shorter than a header.
                break
        self.size, self.end, self._index = position, offset, index
