"""Reading an execution's output: from any offset, by any number of readers, each against its own credit."""

import asyncio
from collections.abc import Callable

from kubebox_protocol.limits import INLINE_OUTPUT_BYTES, MAX_CREDIT_BYTES, MAX_OUTPUT_CHUNK_BYTES
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.pieces import Cursor, Gap, Piece

MAX_INLINE_PIECES = 64
"""Pieces of output that travel with an end: each is a message of its own on the wire."""

FULL_PIECE_BYTES = 32 * 1024
"""Bytes that are worth a message of their own, where there is more to send than is paid for."""

FIRST_PIECE_BYTES = 4 * 1024
"""Bytes at most of the first piece for a reader that comes back; each further one may be twice as long. Where the line breaks
again and again, what has come whole is had, and the next connection begins further on."""

SHORTAGE_SECONDS = 0.25
"""Seconds until a reader looks again, when the server had no descriptor left to read with."""

CREDIT_PATIENCE_SECONDS = 0.005
"""Seconds that a reader's smaller credit may grow."""


class Attachment:
    """One reader's place in the output of one execution.

    Credit bounds what is on its way to a reader that does not read, and so the memory that it costs.
    """

    def __init__(
        self,
        journal: Journal,
        offset: int,
        credit: int | None,
        is_over: Callable[[], bool],
        on_advance: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._cursor = Cursor(offset)
        self._credit = credit
        self._asked = credit is None or credit > 0
        self._on_its_way = 0
        self._most = FIRST_PIECE_BYTES if offset > 0 else MAX_OUTPUT_CHUNK_BYTES
        self._is_over = is_over
        self._on_advance = on_advance
        self._woken = asyncio.Event()

    @property
    def credit(self) -> int:
        """Bytes that it may be given at once."""
        return self._credit or 0

    @property
    def read_to(self) -> int:
        """Up to where it has read for sure: what is on its way to it may be lost with its connection, and asked for again."""
        return self._cursor.offset - self._on_its_way

    @property
    def wants_end_alone(self) -> bool:
        """Whether it never asked for output, and so may be given a small one with the end."""
        return not self._asked and self.offset == 0

    @property
    def offset(self) -> int:
        """The next byte it wants."""
        return self._cursor.offset

    def grant(self, credit: int) -> None:
        """Let it be given more bytes."""
        if self._credit is not None:
            self._credit = min(self._credit + credit, MAX_CREDIT_BYTES)
            # A reader grants anew what it has read.
            self._on_its_way = max(0, self._on_its_way - credit)
            self._asked = True
            self._woken.set()
            self._on_advance()

    def wake(self) -> None:
        """There may be something to read."""
        self._woken.set()

    async def next(self) -> Piece | Gap | None:
        """The next piece or gap, as soon as it is there and paid for.

        `None` when the execution has ended and all was read.

        A reader that never granted any credit asked for nothing but the end.
        """
        while True:
            over = self._is_over()
            if self._credit is None or self._credit > 0:
                await self._collect_credit()
                try:
                    item = self._take(self._most if self._credit is None else min(self._most, self._credit))
                except OSError:  # The server is short of something, and tells nobody when it no longer is.
                    await asyncio.sleep(SHORTAGE_SECONDS)
                    continue
                if item is not None:
                    return item
            if over and (not self._asked or self.offset >= self._journal.end):
                return None
            self._woken.clear()
            await self._woken.wait()

    async def _collect_credit(self) -> None:
        # A reader that grants each message's bytes anew would else be sent messages as small as its smallest grant,
        # for ever. More is on its way to it already, so more credit will come soon; if not, what there is must do.
        if self._credit is None or not self._is_small(self._credit):
            return
        try:
            async with asyncio.timeout(CREDIT_PATIENCE_SECONDS):
                while self._is_small(self._credit):
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            return

    def _is_small(self, credit: int) -> bool:
        return credit < min(FULL_PIECE_BYTES, self._journal.end - self.offset)

    def _take(self, limit: int) -> Piece | Gap | None:
        item = self._journal.read(self._cursor, limit)
        if isinstance(item, Piece) and self._credit is not None:
            self._credit -= len(item.data)
            self._on_its_way += len(item.data)
        if item is not None:
            self._most = min(2 * self._most, MAX_OUTPUT_CHUNK_BYTES)
            self._on_advance()
        return item


def small_output(journal: Journal, start: int = 0, end: int | None = None) -> list[Piece] | None:
    """All of an output, or a part of it, where it is whole and small."""
    end = journal.end if end is None else end
    if end - start > INLINE_OUTPUT_BYTES:
        return None
    cursor, pieces = Cursor(start), list[Piece]()
    try:
        while cursor.offset < end and (item := journal.read(cursor, end - cursor.offset)) is not None:
            if isinstance(item, Gap) or len(pieces) == MAX_INLINE_PIECES:
                return None
            pieces.append(item)
    except OSError:  # Whoever wants it reads it, and waits.
        return None
    return pieces
