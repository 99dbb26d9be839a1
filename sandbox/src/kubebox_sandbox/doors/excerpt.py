"""An output of which each stream's head and tail are enough: what a result keeps of a flood is all that is sent of it."""

import asyncio
from collections import deque
from contextlib import aclosing

from kubebox_protocol.errors import Refused
from kubebox_protocol.limits import MAX_OUTPUT_CHUNK_BYTES
from kubebox_sandbox.doors.outline import Missing, Outline, items_of, outline_of
from kubebox_sandbox.executions import Attachment, Gap, Piece, Record


class Excerpt:
    """Reads an output when it has ended, and leaves out what is too much. That costs its reader no credit.

    Args:
        record: The execution.
        offset: The first byte wanted.
        credit: Bytes that may be read before more is granted.
        keep: Bytes of each stream that are wanted: one half of them from its beginning, the other from its end.

    Attributes:
        attachment: What reads for it now.
    """

    def __init__(self, record: Record, offset: int, credit: int, keep: int) -> None:
        self._record = record
        self._keep = keep
        self._outline: Outline | None = None
        self._missing: Missing | None = None
        self._ready: deque[Piece | Missing] = deque()
        self.attachment: Attachment = record.attach(offset, credit)

    async def next(self) -> Piece | Missing | None:
        """The next piece, or what is missing before it; `None` at the end."""
        if self._outline is None:
            await self._record.ended.wait()
            self._outline = await outline_of(self._record, self._keep)
        while not self._ready:
            item = await self.attachment.next()
            if item is None:
                self._tell_missing()
                return self._ready.popleft() if self._ready else None
            if isinstance(item, Gap):
                self._miss(Missing(item.offset, item.next_offset, None))
            else:
                self._take(item, self._outline)
            if self._missing is not None:
                await self._leap(self._outline)
        return self._ready.popleft()

    def _take(self, piece: Piece, outline: Outline) -> None:
        start, stop = outline.left_out(piece)
        self._give(piece, piece.offset, start)
        if start < stop:
            self.attachment.grant(stop - start)
            self._miss(Missing(start, stop, piece.stream))
        self._give(piece, stop, piece.offset + len(piece.data))

    def _give(self, piece: Piece, start: int, end: int) -> None:
        if start < end:
            self._tell_missing()
            data = piece.data[start - piece.offset : end - piece.offset]
            self._ready.append(piece._replace(offset=start, data=data))

    async def _leap(self, outline: Outline) -> None:
        """Read on where something is wanted again, instead of reading all that is not."""
        offset = self.attachment.offset
        ahead = outline.nothing_wanted(offset)
        if ahead is None and self.attachment.credit >= MAX_OUTPUT_CHUNK_BYTES:
            await asyncio.sleep(0)  # It is near. What is left out never waits.
            return
        # Else a small credit would be read against over and over, in pieces as small as itself.
        async with aclosing(items_of(self._record, offset if ahead is None else ahead.next_offset)) as items:
            async for item in items:
                missing, is_last = outline.missing_in(item)
                ahead = _joined(ahead, missing)
                if is_last:
                    break
        if ahead is None:
            return
        try:
            attachment = self._record.attach(ahead.next_offset, self.attachment.credit)
        except Refused:  # What was there has been dropped meanwhile; to read on tells of that.
            return
        self._record.detach(self.attachment)
        self.attachment = attachment
        self._miss(ahead)

    def _miss(self, more: Missing) -> None:
        self._missing = _joined(self._missing, more)

    def _tell_missing(self) -> None:
        if self._missing is not None:
            self._ready.append(self._missing)
            self._missing = None


def _joined(known: Missing | None, more: Missing | None) -> Missing | None:
    if known is None or more is None:
        return known or more
    return Missing(known.offset, more.next_offset, known.stream if known.stream == more.stream else None)
