"""From the pipes of a command into its journal."""

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial

from kubebox_protocol.limits import MAX_OUTPUT_CHUNK_BYTES
from kubebox_protocol.output import OutputType
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.pipes import allow_opening, has_ended, held, read_now
from kubebox_sandbox.executions.watch import Watch

logger = logging.getLogger(__name__)

MAX_HELD_BYTES = 1024 * 1024
"""Bytes read from one pipe when its command ends: what an unprivileged process can make a pipe hold."""

MAX_LEFTOVER_BYTES = 1024 * 1024
"""Bytes that leftovers of an ended command may still add to its journal. What they write beyond is read and
discarded."""

DISCARD_PAUSE_SECONDS = 0.02
"""Pause after each piece that is discarded: a leftover `yes` gets 3 MiB/s, not a processor of the
server's."""

RETRY_SECONDS = 0.5
"""Seconds after which a producer that is held back is looked at again."""


class Pump:
    """Reads both pipes as output comes, pauses while nothing may be kept, and drains what leftovers write.

    Args:
        watch: Watches the pipes.
        journal: Where output goes.
        floor: Says from which offset on output must stay; `None` where the oldest may go.
        on_output: Called after output was added.
    """

    def __init__(
        self,
        watch: Watch,
        journal: Journal,
        floor: Callable[[], int | None],
        on_output: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._watch = watch
        self._journal = journal
        self._pipes: dict[int, OutputType] = {}
        self._floor = floor
        self._on_output = on_output
        self._retry: asyncio.TimerHandle | None = None
        self._leftover_bytes: int | None = None  # How much more may be kept; None while the command runs.
        self.paused = False

    @property
    def is_open(self) -> bool:
        """Whether anyone may still write."""
        return bool(self._pipes)

    def open(self, stream: OutputType) -> int:
        """Make the pipe of a stream, and return the command's end, which is the caller's to close.

        Raises:
            OSError: There are no descriptors left.
        """
        reading, writing = os.pipe2(os.O_CLOEXEC)
        allow_opening(writing)
        self._pipes[reading] = stream
        return writing

    def adopt(self, stream: OutputType, reading: int) -> None:
        """Go on with a pipe that an earlier server had made."""
        self._pipes[reading] = stream

    @property
    def reading(self) -> dict[OutputType, int]:
        """The server's ends of the pipes."""
        return {stream: descriptor for descriptor, stream in self._pipes.items()}

    def start(self) -> None:
        """Begin to read."""
        for descriptor in self._pipes:
            self._watch.readable(
                descriptor, partial(self._readable, descriptor), partial(self._close, descriptor)
            )

    def gather(self) -> int:
        """Read what the pipes hold now, and say where the output ends."""
        floor = self._floor()
        for descriptor, stream in list(self._pipes.items()):
            self._collect_from(descriptor, stream, floor)
        self._on_output()
        return self._journal.end

    def collect(self) -> None:
        """The command has ended: read exactly what its pipes hold.

        Reading to the end of file would wait for its leftovers.
        """
        self.gather()
        self._journal.trim(self._floor())
        self._journal.close()
        self._leftover_bytes = MAX_LEFTOVER_BYTES
        self._forget_retry()
        self.paused = False
        self.start()

    def resume(self) -> None:
        """Go on after a pause, if there is room now."""
        if not self.paused:
            return
        self._forget_retry()
        floor = self._floor()
        if self._journal.trim(floor) or floor is None:
            self.paused = False
            self.start()
        else:
            self._retry = self._loop.call_later(RETRY_SECONDS, self.resume)

    def close(self) -> None:
        """Stop reading. Whoever still writes gets SIGPIPE."""
        self._forget_retry()
        for descriptor in list(self._pipes):
            self._close(descriptor)

    def _collect_from(self, descriptor: int, stream: OutputType, floor: int | None) -> None:
        left = min(held(descriptor), MAX_HELD_BYTES)
        try:
            while left > 0 and (taken := self._journal.take(stream, descriptor, left, floor)):
                left -= taken
        except BlockingIOError:
            pass  # Whoever has the pipe's other end can open this one too, and read.
        except OSError as error:
            logger.warning("output of a command that has ended has to wait: %s", error.strerror)
        if has_ended(descriptor):
            self._close(descriptor)

    def _readable(self, descriptor: int) -> None:
        floor = self._floor()
        if self._leftover_bytes is None and floor is not None and not self._journal.trim(floor):
            self._pause()
            return
        try:
            if self._leftover_bytes is not None:
                data = read_now(descriptor, MAX_OUTPUT_CHUNK_BYTES)
                if data:
                    self._take_leftover(self._pipes[descriptor], data)
                else:
                    self._close(descriptor)
            elif self._journal.take(self._pipes[descriptor], descriptor, MAX_OUTPUT_CHUNK_BYTES, floor):
                self._on_output()
            else:
                self._close(descriptor)
        except BlockingIOError:
            return
        except OSError as error:  # There are no descriptors left to read with.
            logger.warning("output has to wait: %s", error.strerror)
            self._pause()

    def _pause(self) -> None:
        # Its own readers end it; but it may be others that have to make room, and a lease that has to end.
        self.paused = True
        self._unwatch_all()
        self._retry = self._loop.call_later(RETRY_SECONDS, self.resume)

    def _take_leftover(self, stream: OutputType, data: bytes) -> None:
        kept, self._leftover_bytes = (
            data[: self._leftover_bytes],
            max(0, (self._leftover_bytes or 0) - len(data)),
        )
        if kept:
            self._journal.append(stream, kept)
            self._journal.close()  # Of a thousand commands each may have left something that writes now and then.
            self._on_output()
        if not self._leftover_bytes:
            self._unwatch_all()
            self._loop.call_later(DISCARD_PAUSE_SECONDS, self.start)

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _unwatch_all(self) -> None:
        for descriptor in self._pipes:
            self._watch.leave(descriptor)

    def _close(self, descriptor: int) -> None:
        self._watch.leave(descriptor)
        del self._pipes[descriptor]
        os.close(descriptor)
