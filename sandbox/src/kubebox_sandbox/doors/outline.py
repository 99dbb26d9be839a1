"""What an output that has ended is made of, and what to leave out of it where each stream's head and tail are enough."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, NamedTuple

from kubebox_protocol.output import OutputType
from kubebox_sandbox.executions import STREAMS, Attachment, Gap, Piece, Record

STEP_BYTES: Final = 1024 * 1024
"""Bytes of output between two places of which is known how much each stream had written by then. A journal of 256 MiB has as
many such places, and about so many bytes are read in vain at each end of what is left out."""

Counts = dict[OutputType, int]


class Missing(NamedTuple):
    """Output that is not sent: bytes from `offset` up to `next_offset`, and the stream that all of them are of, if it is one."""

    offset: int
    next_offset: int
    stream: OutputType | None


class Cut(NamedTuple):
    """Where a stream's bytes are left out: from one offset up to another one. Offsets are both streams' together."""

    start: int
    end: int


class Step(NamedTuple):
    """A place in an output, and the bytes of each stream before it."""

    offset: int
    written: Counts


class Outline(NamedTuple):
    """An output, in steps, and what to leave out of it.

    The same output has the same cuts, so whoever has lost its connection goes on as if it had not.
    """

    steps: list[Step]
    cuts: dict[OutputType, Cut]

    def left_out(self, piece: Piece) -> Cut:
        """The part of a piece that is left out; empty, at its end, where none is."""
        end = piece.offset + len(piece.data)
        cut = self.cuts.get(piece.stream, Cut(end, end))
        return Cut(*(min(max(place, piece.offset), end) for place in cut))

    def missing_in(self, item: Piece | Gap) -> tuple[Missing | None, bool]:
        """What is missing at the beginning of what was read, and whether anything wanted follows on it."""
        if isinstance(item, Gap):
            return Missing(item.offset, item.next_offset, None), False
        cut = self.left_out(item)
        if cut.start > item.offset or cut.start == cut.end:
            return None, True
        return Missing(cut.start, cut.end, item.stream), cut.end < item.offset + len(item.data)

    def nothing_wanted(self, offset: int) -> Missing | None:
        """What lies between an offset and the next step behind which something may be wanted; `None` where that is not far."""
        place = bisect_right(self.steps, offset, key=lambda step: step.offset) - 1
        first = last = self.steps[place]
        for step in self.steps[place + 1 :]:
            if not all(self._leaves_out(stream, last, step) for stream in STREAMS):
                break
            last = step
        if last.offset <= offset:
            return None
        size = last.offset - first.offset
        of_one: list[OutputType] = [
            each for each in STREAMS if last.written[each] - first.written[each] == size
        ]
        return Missing(offset, last.offset, of_one[0] if of_one else None)

    def _leaves_out(self, stream: OutputType, start: Step, end: Step) -> bool:
        if end.written[stream] == start.written[stream]:
            return True
        cut = self.cuts.get(stream)
        return cut is not None and cut.start <= start.offset and end.offset <= cut.end


async def outline_of(record: Record, keep: int) -> Outline:
    """Look through an output that has ended, where it is more than is wanted of a stream.

    Args:
        record: The execution.
        keep: Bytes of each stream that are wanted: one half of them from its beginning, the other from its end.
    """
    written: Counts = {"stdout": 0, "stderr": 0}
    heads, cuts = written.copy(), dict[OutputType, Cut]()
    steps = [Step(0, written.copy())]
    if record.journal.end <= keep:
        return Outline(steps, cuts)
    half = keep // 2
    async with aclosing(items_of(record, 0)) as items:
        async for piece in items:
            if isinstance(piece, Gap):
                continue
            end, before = piece.offset + len(piece.data), written[piece.stream]
            if before < half:
                heads[piece.stream] = min(end, piece.offset + half - before)
            written[piece.stream] += len(piece.data)
            if end - steps[-1].offset >= STEP_BYTES:
                steps.append(Step(end, written.copy()))
    for stream in STREAMS:
        if written[stream] > 2 * half:
            cuts[stream] = Cut(heads[stream], await _place(record, stream, written[stream] - half, steps))
    return Outline(steps, cuts)


async def _place(record: Record, stream: OutputType, index: int, steps: list[Step]) -> int:
    """The offset of one stream's byte that has so many of the same stream before it."""
    near = next(step for step in reversed(steps) if step.written[stream] <= index)
    before = near.written[stream]
    async with aclosing(items_of(record, near.offset)) as items:
        async for piece in items:
            if isinstance(piece, Piece) and piece.stream == stream:
                if before + len(piece.data) > index:
                    return piece.offset + index - before
                before += len(piece.data)
    return record.journal.end


async def items_of(record: Record, offset: int) -> AsyncGenerator[Piece | Gap]:
    """All of an output that has ended, from an offset on. It is read for nobody, so nobody waits for it."""
    attachment = Attachment(record.journal, offset, None, lambda: True, lambda: None)
    while (item := await attachment.next()) is not None:
        yield item
        await asyncio.sleep(0)  # It never waits, and there may be much to look through.
