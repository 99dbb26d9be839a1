"""One Socket.IO connection: its right to be here, its readers, its requests."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from anyio import CancelScope

from kubebox_protocol import events
from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.shells import ShellResult
from kubebox_protocol.tokens import Claims
from kubebox_sandbox.doors.excerpt import Excerpt
from kubebox_sandbox.doors.outline import Missing
from kubebox_sandbox.executions import Attachment, Gap, Piece, Record, small_output
from kubebox_sandbox.tasks import Tasks

MAX_READERS = 256
"""Executions that one connection reads at once: each costs a task, and up to 1 MiB of credit."""

MAX_CONNECTION_CREDIT = 256 * 1024 * 1024
"""Bytes that all readers of one connection may be owed at once: as many readers as there may be, each with the credit
that our own client grants. One alone may have 16 MiB."""

MAX_REQUESTS = 128
"""Requests of one connection that are being answered at once: above what our own client sends (96)."""

TEXT_BYTES = 2048
"""Bytes of a shell's output that travel as base64 in the answer itself: a binary part is a message of its own, and costs a quick
command a fifth of its time."""

Emit = Callable[[str, dict[str, Any]], Awaitable[None]]


@dataclass
class _Reader:
    source: Attachment | Excerpt
    scope: CancelScope

    @property
    def attachment(self) -> Attachment:
        return self.source.attachment if isinstance(self.source, Excerpt) else self.source


class Connection:
    """A connection that has shown a valid token.

    Args:
        claims: What its token says.
        tasks: Owns its readers.
        emit: Sends an event to it.
    """

    def __init__(self, claims: Claims, tasks: Tasks, emit: Emit) -> None:
        self.claims = claims
        self._tasks = tasks
        self._emit = emit
        self._readers: dict[UUID, _Reader] = {}
        self._promised: list[int] = []
        self._written_to: dict[UUID, Record] = {}
        self._requests = 0
        self._expiry: asyncio.TimerHandle | None = None

    def expire_after(self, seconds: float, close: Callable[[], None]) -> None:
        """Close it when its token has expired; called again with a new token, that one counts."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(seconds, close)

    def begin_request(self) -> None:
        """Count a request.

        Raises:
            Refused: Too many are being answered.
        """
        if self._requests >= MAX_REQUESTS:
            raise Refused(
                ErrorCode.TOO_MANY_REQUESTS,
                "too many requests at once on one connection",
                limit=MAX_REQUESTS,
            )
        self._requests += 1

    def end_request(self) -> None:
        """It is answered."""
        self._requests -= 1

    def read(self, record: Record, offset: int, credit: int, keep: int = 0) -> None:
        """Send an execution's output from an offset on, against credit, and its end.

        A second reader replaces the first.

        Args:
            record: The execution.
            offset: The first byte wanted.
            credit: Bytes that may be sent at once.
            keep: Bytes of each stream that are wanted, once it has ended; 0 for all, as they come.

        Raises:
            Refused: Nothing can be read from there, or there are too many readers, or too much credit.
        """
        self._check_place(record.execution_id, credit)
        source = Excerpt(record, offset, credit, keep) if keep else record.attach(offset, credit)
        self.detach(record.execution_id)
        reader = _Reader(source, CancelScope())
        self._readers[record.execution_id] = reader
        self._tasks.start(self._send_output, record, reader)

    @contextmanager
    def place_kept(self, execution_id: UUID, credit: int) -> Generator[None]:
        """Keep a reader's place for an execution that is only being started.

        Raises:
            Refused: There is none.
        """
        self._check_place(execution_id, credit)
        self._promised.append(credit)
        try:
            yield
        finally:
            self._promised.remove(credit)

    def grant(self, execution_id: UUID, credit: int) -> None:
        """Let a reader be sent more. One that has gone meanwhile needs none.

        Raises:
            Refused: All readers together would be owed too much.
        """
        reader = self._readers.get(execution_id)
        if reader is not None:
            self._check_credit(credit + self._owed())
            reader.attachment.grant(credit)

    def detach(self, execution_id: UUID) -> None:
        """Stop reading an execution. The execution does not mind."""
        reader = self._readers.pop(execution_id, None)
        if reader is not None:
            reader.scope.cancel()

    def writes_to(self, record: Record) -> None:
        """It gives an execution its input, until it is gone."""
        self._written_to[record.execution_id] = record

    def close(self) -> None:
        """It is gone."""
        for record in self._written_to.values():
            if record.stdin is not None:
                record.stdin.let_go(self)
        if self._expiry is not None:
            self._expiry.cancel()
        for execution_id in list(self._readers):
            self.detach(execution_id)

    def _check_place(self, execution_id: UUID, credit: int) -> None:
        known = self._readers.get(execution_id)  # It would be replaced.
        if known is None and len(self._readers) + len(self._promised) >= MAX_READERS:
            raise Refused(
                ErrorCode.TOO_MANY_REQUESTS, "too many readers on one connection", limit=MAX_READERS
            )
        self._check_credit(credit + self._owed() - (known.attachment.credit if known else 0))

    def _check_credit(self, owed: int) -> None:
        if owed > MAX_CONNECTION_CREDIT:
            raise Refused(
                ErrorCode.TOO_MANY_REQUESTS,
                "the readers of one connection have been granted too much credit together",
                limit=MAX_CONNECTION_CREDIT,
            )

    def _owed(self) -> int:
        return sum(self._promised) + sum(reader.attachment.credit for reader in self._readers.values())

    async def _send_output(self, record: Record, reader: _Reader) -> None:
        try:
            with reader.scope:
                while (item := await reader.source.next()) is not None:
                    await self._send(record.execution_id, item)
                # Whoever is told of the end may attach anew at once, so this reader has to be out of the
                # way by then.
                self._leave(record, reader)
                await self._emit(events.ENDED, end_of(record, inline=reader.attachment.wants_end_alone))
        finally:
            self._leave(record, reader)

    async def _send(self, execution_id: UUID, item: Piece | Gap | Missing) -> None:
        if not isinstance(item, Piece):
            gap = {"execution_id": str(execution_id), "offset": item.offset, "next_offset": item.next_offset}
            of_one = {"type": item.stream} if isinstance(item, Missing) and item.stream else {}
            await self._emit(events.GAP, gap | of_one)
        else:
            await self._emit(events.OUTPUT, _chunk(execution_id, item))
            # Emitting waits for a full connection alone: a large credit would go out in one turn.
            await asyncio.sleep(0)

    def _leave(self, record: Record, reader: _Reader) -> None:
        if self._readers.get(record.execution_id) is reader:
            del self._readers[record.execution_id]
        record.detach(reader.attachment)


def end_of(record: Record, *, inline: bool) -> dict[str, Any]:
    """The end of an execution that has ended, as it travels.

    Args:
        record: Its record.
        inline: Whether all of its output goes along, where that is small.
    """
    pieces = small_output(record.journal) if inline else None
    return {
        "execution": record.view().model_dump(mode="json", exclude_defaults=True),
        "output": None if pieces is None else [_chunk(record.execution_id, piece) for piece in pieces],
    }


def shell_result(record: Record, result: ShellResult) -> dict[str, Any]:
    """What came of a shell's command, as it travels: with its output, where that is small."""
    pieces = small_output(record.journal, result.start_offset, result.end_offset)
    return {
        **result.model_dump(mode="json", exclude_defaults=True),
        "output": None if pieces is None else [_small_chunk(record.execution_id, piece) for piece in pieces],
    }


def _small_chunk(execution_id: UUID, piece: Piece) -> dict[str, Any]:
    chunk = _chunk(execution_id, piece)
    return chunk if len(piece.data) > TEXT_BYTES else {**chunk, "data": b64encode(piece.data).decode()}


def _chunk(execution_id: UUID, piece: Piece) -> dict[str, Any]:
    return {
        "execution_id": str(execution_id),
        "offset": piece.offset,
        "type": piece.stream,
        "data": piece.data,
        "at": round(piece.at, 6),
    }
