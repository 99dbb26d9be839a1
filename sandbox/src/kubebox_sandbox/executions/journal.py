"""The journal of one execution: its output on disk in arrival order, addressed by offset."""

import logging
import struct
import time
from pathlib import Path
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.limits import MAX_OUTPUT_CHUNK_BYTES, RESULT_STREAM_BYTES
from kubebox_protocol.output import OutputType
from kubebox_sandbox.executions.budget import Budget
from kubebox_sandbox.executions.mark import SUFFIX, EndMark
from kubebox_sandbox.executions.pieces import Cursor, Gap, Piece, read_run
from kubebox_sandbox.executions.pipes import has_ended, held, read_now
from kubebox_sandbox.executions.segment import FOR_NOW, HEADER, MEMORY_BYTES, Segment, Torn
from kubebox_sandbox.executions.segments import Segments

logger = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one file: what is dropped at once when the journal is full."""

HEAD_BYTES: Final = RESULT_STREAM_BYTES // 2
"""Bytes of each stream's beginning, since results keep as many of them; an eighth of a journal that is small. Their files are
dropped last while they are at most half of what is held (the end is wanted too), and the first one never."""

MAX_PIECE_BYTES: Final = HEADER.size + MAX_OUTPUT_CHUNK_BYTES
"""Bytes on disk of the largest piece."""

FREE_BYTES: Final = MEMORY_BYTES
"""Bytes up to which a journal takes one more piece even where all others have used the budget up. So a short command says
what it has to say, whatever else runs; a thousand of them go 80 MiB over the budget."""


class Journal:
    """Output on disk, bounded.

    Args:
        folder: For its files, and those of others.
        name: What its files are called.
        limit: Bytes on disk. `trim` holds it.
        budget: What it shares with all others.
        started: The monotonic clock at the execution's start, from which on the time of output is counted.
        segment_bytes: See `SEGMENT_BYTES`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        limit: int,
        budget: Budget,
        started: float,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._name = name
        self._limit = limit
        self._started = started
        self._budget = budget
        self._segment_bytes = min(segment_bytes, max(1, limit // 4))
        self._head_bytes = min(HEAD_BYTES, limit // 8)
        self._segments = Segments()
        self._begun: dict[OutputType, int] = {"stdout": 0, "stderr": 0}
        self.size = 0
        self.end = 0
        self.dropped = 0
        self._mark = EndMark(folder, name)
        self._full = False  # Whether the last output found no room.
        self._released = False

    def recover(self, files: list[Path], end: int) -> None:
        """Take up what an earlier server has left.

        Args:
            files: Its files, in any order.
            end: The end of the output, as far as it is known: what is missing before it was dropped.
        """
        for path in sorted(files):
            if path.suffix == SUFFIX:
                end = max(end, self._mark.take(path))
                continue
            try:
                segment = Segment.found(path)
            except (OSError, ValueError) as error:
                logger.warning("a part of the output of %s is lost: %s", self._name, error)
                continue
            if segment.size:
                segment.is_head = segment.start < self._head_bytes
                self._segments.append(segment)
        self.size = self._segments.size
        self._budget.take(self.size)
        self.end = max(end, self._segments[-1].end if self._segments else 0)
        self.dropped = self.end - self._segments.output_bytes

    @property
    def first_offset(self) -> int:
        """The first byte that is still held after what was dropped first; 0 while nothing was."""
        if not self.dropped:
            return 0
        behind = self._segments.behind_first_gap
        return self.end if behind is None else behind

    @property
    def has_files(self) -> bool:
        """Whether there is anything of it on the disk."""
        return self._mark.is_there or any(segment.has_file for segment in self._segments)

    def append(self, stream: OutputType, data: bytes, floor: int | None = None) -> None:
        """Add output.

        Where there is no room for it, or the disk takes no more, it counts as dropped: losing it must not end the command.

        Args:
            stream: Which.
            data: The output.
            floor: With one, it is added even where there is no room: whoever asked `trim` has left some.
        """
        for start in range(0, len(data), MAX_OUTPUT_CHUNK_BYTES):
            piece = data[start : start + MAX_OUTPUT_CHUNK_BYTES]
            self._full = floor is None and not self.trim(None)
            held = not self._full and self._write(stream, piece)
            if held:
                self.end += len(piece)
            else:
                self._lose_at_end(len(piece))

    def take(self, stream: OutputType, pipe: int, count: int, floor: int | None = None) -> int:
        """Add what a pipe holds, as `append` does; 0 at the pipe's end.

        Raises:
            BlockingIOError: It holds nothing.
        """
        wanted = min(count, MAX_OUTPUT_CHUNK_BYTES, held(pipe))
        if not wanted and has_ended(pipe):
            return 0
        self._full = floor is None and not self.trim(None)
        if wanted and not self._full and not self._released:
            try:
                moved = self._segment().take(stream, pipe, wanted, time.monotonic() - self._started)
            except Torn as torn:
                self._lose_at_end(torn.lost)
                return torn.lost
            except BlockingIOError:
                raise
            except OSError:
                pass  # A full disk, or a file system to which nothing can be moved. The pipe still holds it.
            else:
                self._grow(stream, moved)
                self.end += moved
                return moved
        data = read_now(pipe, min(count, MAX_OUTPUT_CHUNK_BYTES))
        self.append(stream, data, floor)
        return len(data)

    def trim(self, floor: int | None) -> bool:
        """Make room for one more piece: others' output goes first, then its own oldest, the streams' beginnings last.

        Args:
            floor: Bytes from here on must stay; `None` to let everything go.

        Returns:
            Whether there is room.
        """
        while self.size >= self._limit or not self._has_room():
            segment = self._segments.next_dropped(floor)
            if segment is None:
                return False
            self._remove(segment)
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
        if offset < self.end and self._segments.find(offset) is None:
            after = self._next_held(offset)
            raise Refused(
                ErrorCode.OFFSET_EXPIRED,
                f"output up to offset {after} has been dropped; read on from there",
                first_offset=after,
            )

    def held_until(self, offset: int) -> int:
        """The offset up to which everything from this one on is held."""
        return self._segments.held_until(offset)

    def read(self, cursor: Cursor, limit: int) -> Piece | Gap | None:
        """Read the next piece, and move the cursor behind it.

        Args:
            cursor: Where to read.
            limit: Bytes wanted at most.

        Returns:
            Output of one stream, or a gap, or `None` where there is nothing more yet.

        Raises:
            OSError: It cannot be read for now (`FOR_NOW`), and is still held.
        """
        if cursor.offset >= self.end:
            return None
        segment = self._segments.find(cursor.offset)
        if segment is None:
            gap = Gap(cursor.offset, self._next_held(cursor.offset))
            cursor.offset = gap.next_offset
            return gap
        try:
            if cursor.segment != segment.start:
                cursor.position, cursor.frame = segment.find(cursor.offset)
                cursor.segment = segment.start
            return read_run(cursor, segment, min(limit, MAX_OUTPUT_CHUNK_BYTES))
        except (OSError, struct.error) as error:
            if isinstance(error, OSError) and error.errno in FOR_NOW:
                raise
            logger.error("a part of the output of %s cannot be read: %s", self._name, error)
            return self._lose(segment, cursor)

    def close(self) -> None:
        """Close the file that is being written; more may still be appended."""
        if self._segments:
            self._segments[-1].close()

    def release(self) -> None:
        """Leave its room to others: it will be deleted, and takes no more."""
        if not self._released:
            self._released = True
            self._budget.give_back(self.size)

    def delete(self) -> None:
        """Remove everything from the disk. Blocks; for a worker thread, once it is released."""
        for segment in self._segments:
            segment.delete()
        self._segments.clear()
        self._mark.delete()

    def _lose(self, segment: Segment, cursor: Cursor) -> Gap:
        """What the disk does not give back is gone, and is counted."""
        self._remove(segment)
        gap = Gap(cursor.offset, segment.end)
        cursor.offset = segment.end
        return gap

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        segment.delete()
        self.size -= segment.size
        self._budget.give_back(segment.size)
        self.dropped += segment.end - segment.start

    def _has_room(self) -> bool:
        if self._released:
            return False
        # Where little is left, it comes and goes. To take each bit of it would make a file of each.
        wanted = self._segment_bytes if self._full else MAX_PIECE_BYTES
        return self.size < FREE_BYTES or self._budget.has_room(wanted)

    def _write(self, stream: OutputType, piece: bytes) -> bool:
        if self._released:
            return False
        try:
            self._segment().write(stream, piece, time.monotonic() - self._started)
        except OSError:
            return False
        self._grow(stream, len(piece))
        return True

    def _grow(self, stream: OutputType, count: int) -> None:
        size = HEADER.size + count
        self.size += size
        self._budget.take(size)
        if self._begun[stream] < self._head_bytes:
            self._begun[stream] += count
            self._segments[-1].is_head = True

    def _lose_at_end(self, count: int) -> None:
        self.end += count
        self.dropped += count
        self._mark.write(self.end)

    def _segment(self) -> Segment:
        if self._segments:
            last = self._segments[-1]
            if last.size == 0:  # The disk was full. A segment is made once, not once for each try.
                last.move(self.end)
            if last.end == self.end and last.size < self._segment_bytes and not last.is_sealed:
                return last
            last.seal()
        segment = Segment(self._folder, self._name, self.end, in_memory=not self._segments)
        self._segments.append(segment)
        return segment

    def _next_held(self, offset: int) -> int:
        following = self._segments.next_held(offset)
        return self.end if following is None else following
