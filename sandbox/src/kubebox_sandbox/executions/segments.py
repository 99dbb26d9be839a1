"""The segments of one journal that are held, in order: where an offset is, and which of them is dropped next."""

from bisect import bisect_right

from kubebox_sandbox.executions.segment import Segment


class Segments(list[Segment]):
    """Between two of them, output may have been dropped."""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self)

    @property
    def output_bytes(self) -> int:
        """Bytes of output."""
        return sum(segment.end - segment.start for segment in self)

    @property
    def behind_first_gap(self) -> int | None:
        """The first byte that is held after what was dropped first, if any is."""
        at = 0
        for segment in self:
            if segment.start != at:
                return segment.start
            at = segment.end
        return None

    def find(self, offset: int) -> Segment | None:
        """The one that holds this byte, if any does."""
        place = self._behind(offset) - 1
        if place < 0 or offset >= self[place].end:
            return None
        return self[place]

    def held_until(self, offset: int) -> int:
        """The offset up to which everything from this one on is held."""
        while (segment := self.find(offset)) is not None:
            offset = segment.end
        return offset

    def next_held(self, offset: int) -> int | None:
        """Where the first one behind this byte begins, if there is one."""
        place = self._behind(offset)
        return self[place].start if place < len(self) else None

    def next_dropped(self, floor: int | None) -> Segment | None:
        """The oldest, but the streams' beginnings last, while they are at most half of all: the end is wanted too.

        The first segment stays, and the last one is being written.

        Args:
            floor: Bytes from here on must stay; `None` to let everything go.
        """
        free = [segment for segment in self[1:-1] if floor is None or segment.end <= floor]
        if not free:
            return None
        heads = sum(segment.size for segment in self if segment.is_head)
        if heads > self.size // 2:
            return free[0]
        return next((segment for segment in free if not segment.is_head), free[0])

    def _behind(self, offset: int) -> int:
        return bisect_right(self, offset, key=lambda segment: segment.start)
