"""The record of an execution: what it is, what it wrote, how it ended."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from kubebox_protocol.executions import CommandMode, Execution
from kubebox_protocol.verdicts import Verdict
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.output import Attachment
from kubebox_sandbox.executions.pump import Pump
from kubebox_sandbox.executions.shell import Shell
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.verdict import Cause
from kubebox_sandbox.workspace import Exited

Kind = Literal["command", "terminal", "shell"]
Channel = Literal["stdout", "stderr", "stdin", "results"]

HANDED_BACK_SECONDS = 2.0
"""Seconds that a request waits for pipes that the workspace hands back to a server that has started anew: it does so at once."""

READER_LEASE_SECONDS = 60.0
"""Seconds that a STREAM whose journal is full waits for a reader to come back, before its oldest output
goes."""


@dataclass(frozen=True)
class Beginning:
    """What is known of an execution before it starts. It is written down first, so that a server that starts anew knows it.

    Attributes:
        execution_id: Its name, the client's choice.
        session_id: Its session.
        mode: What the caller does with its output.
        digest: Of the request that started it: the same name with another digest is another command.
        command: The beginning of the command, for people.
        kind: `command`, `terminal` or `shell`.
        at: Unix time of its start, for people.
        clock: The monotonic clock at its start. It is the machine's, so it goes on when a server starts anew.
        timeout: Seconds until it is ended.
        lease: Seconds that it goes on while nobody reads it.
        channels: The server's ends of its pipes, in the order in which the workspace keeps them.
    """

    execution_id: UUID
    session_id: str
    mode: CommandMode
    digest: str
    command: str
    kind: Kind
    at: float
    clock: float
    timeout: float | None
    lease: float | None
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Ending:
    """What is known of an execution when it has ended.

    Attributes:
        verdict: How it ended.
        duration: Seconds it ran.
        cpu_seconds: Processor time that it took, where the workspace tells.
        peak_memory_bytes: Memory that it had at most, where the workspace tells.
    """

    verdict: Verdict
    duration: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None


class Record:
    """An execution.

    Attributes:
        beginning: What it is.
        journal: Its output.
        pump: What fills the journal, from the start until the last leftover has ended.
        stdin: Its standard input, where that stays open.
        shell: The shell that it is, if it is one.
        ending: How it ended.
        cause: Who has begun to end it.
        early_end: An end that was told before its pipes were there, as it happens after a restart of the server.
        attachments: Its readers.
        settled: Set when it is known whether it started.
        ended: Set when it has ended.
        deadline: Its timeout.
        is_connected: Whether its pipes are open; after a restart of the server they come back later.
        tree_is_gone: Whether a kill has found nothing left of it.
    """

    def __init__(self, beginning: Beginning, journal: Journal) -> None:
        self.beginning = beginning
        self.execution_id = beginning.execution_id
        self.journal = journal
        self.pump: Pump | None = None
        self.stdin: StandardInput | None = None
        self.shell: Shell | None = None
        self.ending: Ending | None = None
        self.cause: Cause | None = None
        self.early_end: Exited | None = None
        self.attachments: set[Attachment] = set()
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()
        self.deadline: asyncio.TimerHandle | None = None
        self.is_connected = False
        self._connected = asyncio.Event()
        self.tree_is_gone = False
        self._idle: asyncio.TimerHandle | None = None
        self._on_idle: Callable[[], None] | None = None
        self._read_to = 0
        self._lease_until = beginning.clock + READER_LEASE_SECONDS

    @property
    def verdict(self) -> Verdict | None:
        """How it ended; `None` while it runs."""
        return None if self.ending is None else self.ending.verdict

    def begin(self) -> None:
        """Let its pipes flow."""
        self.is_connected = True
        self._connected.set()
        for pipe in (self.pump, self.shell):
            if pipe is not None:
                pipe.start()

    def abandon(self) -> None:
        """Nothing flows any more, and nothing is waited for."""
        self.is_connected = False
        for timer in (self.deadline, self._idle):
            if timer is not None:
                timer.cancel()
        self._connected.set()
        self.journal.close()
        if self.stdin is not None:
            self.stdin.leave()
        for pipe in (self.pump, self.shell):
            if pipe is not None:
                pipe.close()

    def finish(self, ending: Ending) -> None:
        """It has ended: whoever waits is told."""
        if self.ending is not None:
            return
        self.ending = ending
        for timer in (self.deadline, self._idle):
            if timer is not None:
                timer.cancel()
        if self.stdin is not None:
            self.stdin.close()
        if self.shell is not None:
            self.shell.end(ending.verdict)
        self.settled.set()
        self._connected.set()
        self.ended.set()
        self.wake()

    @property
    def ended_at(self) -> float:
        """The monotonic clock at its end, or now."""
        return self.beginning.clock + (self.runs_for() if self.ending is None else self.ending.duration)

    def runs_for(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.beginning.clock

    async def is_there(self) -> None:
        """Wait until it is known whether it started, and for a moment for its pipes, where the server has started anew."""
        await self.settled.wait()
        if not self.is_connected and self.ending is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANDED_BACK_SECONDS):
                    await self._connected.wait()

    async def ends_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        if self.verdict is not None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True

    def on_idle(self, end: Callable[[], None]) -> None:
        """Have it ended when nobody has read it for as long as its lease says."""
        self._on_idle = end
        self._rest(None if self.attachments else self.beginning.lease)

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
        self._rest(None)
        attachment = Attachment(self.journal, offset, credit, self._is_over, self._advanced)
        self.attachments.add(attachment)
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """A reader leaves. The last one's place is held for a while, where the producer waits for readers."""
        self.attachments.discard(attachment)
        self._read_to = max(self._read_to, attachment.read_to)
        if not self.attachments:
            self._rest(self.beginning.lease)
            self._lease_until = time.monotonic() + READER_LEASE_SECONDS
            if self.pump is not None and self.pump.paused:
                asyncio.get_running_loop().call_later(READER_LEASE_SECONDS + 0.1, self._advanced)

    def floor(self) -> int | None:
        """The offset from which on output must stay.

        A STREAM's producer waits for its readers. WAIT and BACKGROUND never wait: a program that logs for
        ever must not block. Nor does a shell: where the output of one of its commands ends is asked at once.
        """
        if (
            self.beginning.mode is not CommandMode.STREAM
            or self.verdict is not None
            or self.shell is not None
        ):
            return None
        if self.attachments:
            return min(attachment.read_to for attachment in self.attachments)
        return self._read_to if time.monotonic() < self._lease_until else None

    def view(self) -> Execution:
        """The record as clients see it."""
        beginning, ending = self.beginning, self.ending
        return Execution(
            execution_id=self.execution_id,
            session_id=beginning.session_id,
            mode=beginning.mode,
            command=beginning.command,
            kind=beginning.kind,
            state="running" if ending is None else "ended",
            verdict=None if ending is None else ending.verdict,
            started_at=beginning.at,
            duration=self.runs_for() if ending is None else ending.duration,
            cpu_seconds=None if ending is None else ending.cpu_seconds,
            peak_memory_bytes=None if ending is None else ending.peak_memory_bytes,
            stdin_offset=0 if self.stdin is None else self.stdin.offset,
            first_offset=self.journal.first_offset,
            end_offset=self.journal.end,
            dropped_bytes=self.journal.dropped,
        )

    def _rest(self, seconds: float | None) -> None:
        # One timer at a time: it is cancelled by a reader that comes, and set when the last one leaves.
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if seconds is not None and self._on_idle is not None and self.ending is None:
            self._idle = asyncio.get_running_loop().call_later(seconds, self._on_idle)

    def _is_over(self) -> bool:
        return self.verdict is not None

    def _advanced(self) -> None:
        if self.pump is not None:
            self.pump.resume()
