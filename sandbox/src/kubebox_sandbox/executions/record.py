"""The record of an execution: what it is, what it wrote, how it ended."""

import asyncio
import time
from uuid import UUID

from kubebox_protocol.executions import CommandMode, Execution, Verdict
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.output import Attachment
from kubebox_sandbox.executions.pump import Pump
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.verdict import Cause

READER_LEASE_SECONDS = 60.0
"""Seconds that a STREAM whose journal is full waits for a reader to come back, before its oldest output
goes."""


class Record:
    """An execution.

    Attributes:
        execution_id: Its name, the client's choice.
        session_id: Its session.
        mode: What the caller does with its output.
        digest: Of the request that started it: the same name with another digest is another command.
        journal: Its output.
        pump: What fills the journal, from the start until the last leftover has ended.
        stdin: What feeds its standard input.
        verdict: How it ended.
        cause: Who has begun to end it.
        attachments: Its readers.
        settled: Set when it is known whether it started.
        ended: Set when it has ended.
        timer: Its timeout.
        tree_is_gone: Whether a kill has found nothing left of it.
    """

    def __init__(
        self, execution_id: UUID, session_id: str, mode: CommandMode, digest: bytes, journal: Journal
    ) -> None:
        self.execution_id = execution_id
        self.session_id = session_id
        self.mode = mode
        self.digest = digest
        self.journal = journal
        self.pump: Pump | None = None
        self.stdin: StandardInput | None = None
        self.verdict: Verdict | None = None
        self.cause: Cause | None = None
        self.attachments: set[Attachment] = set()
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None
        self.tree_is_gone = False
        self._started_at = time.time()
        self._started = time.monotonic()
        self._ended_after = 0.0
        self._read_to = 0
        self._lease_until = self._started + READER_LEASE_SECONDS

    def finish(self, verdict: Verdict) -> None:
        """It has ended: whoever waits is told."""
        if self.verdict is not None:
            return
        self.verdict = verdict
        self._ended_after = time.monotonic() - self._started
        if self.timer is not None:
            self.timer.cancel()
        if self.stdin is not None:
            self.stdin.close()
        self.settled.set()
        self.ended.set()
        self.wake()

    async def ends_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True

    def wake(self) -> None:
        """Tell the readers that there is more, or that it has ended."""
        for attachment in self.attachments:
            attachment.wake()

    def attach(self, offset: int, credit: int | None) -> Attachment:
        """A new reader from an offset on. It must be given back with `detach`.

        Args:
            offset: The first byte wanted.
            credit: Bytes it may be given before it grants more; `None` for no bound.

        Raises:
            Refused: Nothing can be read from there.
        """
        self.journal.check(offset)
        attachment = Attachment(self.journal, offset, credit, self._is_over, self._advanced)
        self.attachments.add(attachment)
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """A reader leaves. The last one's place is held for a while, where the producer waits for readers."""
        self.attachments.discard(attachment)
        self._read_to = max(self._read_to, attachment.offset)
        if not self.attachments:
            self._lease_until = time.monotonic() + READER_LEASE_SECONDS
            if self.pump is not None and self.pump.paused:
                asyncio.get_running_loop().call_later(READER_LEASE_SECONDS + 0.1, self._advanced)

    def floor(self) -> int | None:
        """The offset from which on output must stay.

        A STREAM's producer waits for its readers. WAIT and BACKGROUND never wait: a program that logs for
        ever must not block.
        """
        if self.mode is not CommandMode.STREAM or self.verdict is not None:
            return None
        if self.attachments:
            return min(attachment.offset for attachment in self.attachments)
        return self._read_to if time.monotonic() < self._lease_until else None

    def view(self) -> Execution:
        """The record as clients see it."""
        running = self.verdict is None
        return Execution(
            execution_id=self.execution_id,
            session_id=self.session_id,
            mode=self.mode,
            state="running" if running else "ended",
            verdict=self.verdict,
            started_at=self._started_at,
            duration=time.monotonic() - self._started if running else self._ended_after,
            first_offset=self.journal.first_offset,
            end_offset=self.journal.end,
            dropped_bytes=self.journal.dropped,
        )

    def _is_over(self) -> bool:
        return self.verdict is not None

    def _advanced(self) -> None:
        if self.pump is not None:
            self.pump.resume()
