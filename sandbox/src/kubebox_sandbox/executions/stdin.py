"""Standard input: bytes go into a pipe as the command reads them, and whoever gives them waits for that."""

import asyncio
import contextlib
import os
from collections.abc import Callable

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.executions.pipes import allow_opening, held, open_pipe
from kubebox_sandbox.executions.watch import Watch
from kubebox_sandbox.workspace.descriptors import sealed_memfd

DEV_NULL = "/dev/null"
PIECE_BYTES = 64 * 1024
"""Bytes of one write: what a pipe holds."""


def fixed_input(content: bytes | None) -> int:
    """A standard input that is given with the start: a file, so that nothing has to go on for it.

    Args:
        content: What there is to read.

    Returns:
        A descriptor, which is the caller's to close.

    Raises:
        OSError: There are no descriptors left.
    """
    return sealed_memfd(content) if content else os.open(DEV_NULL, os.O_RDONLY | os.O_CLOEXEC)


class StandardInput:
    """Feeds bytes into a pipe, never blocking.

    Args:
        watch: Watches the pipe.
        on_close: Called when no more comes, so that whoever else holds the pipe lets go of it.
        note: Called before each write and after it, with the bytes that the pipe has taken so far, and whether that is all
            there is to know: a server that is killed between the two leaves it open whether the pipe has taken more.

    Attributes:
        offset: Bytes that were given so far.
        is_unsure: Whether an earlier server has left that open.
        is_closed: Whether no more comes. Where the pipe is not there, as a server starts anew, it is closed when it is.
    """

    def __init__(self, watch: Watch, on_close: Callable[[], None], note: Callable[[int, bool], None]) -> None:
        self._watch = watch
        self._on_close = on_close
        self._note = note
        self.is_unsure = False
        self.is_closed = False
        self._writing = -1
        self._left = memoryview(b"")
        self._drained = asyncio.Event()
        self._drained.set()
        self._turn = asyncio.Lock()
        self._writer: object | None = None
        self.offset = 0

    @property
    def taken(self) -> int:
        """Bytes that the pipe has taken so far."""
        return self.offset - len(self._left)

    @property
    def is_open(self) -> bool:
        """Whether more can be given."""
        return self._writing >= 0

    def open(self) -> tuple[int, int]:
        """Make the pipe.

        Returns:
            The command's end, and one of ours that the workspace keeps; both are the caller's to close.

        Raises:
            OSError: There are no descriptors left.
        """
        reading, self._writing, kept = open_pipe(os.O_WRONLY)
        allow_opening(reading)
        return reading, kept

    def adopt(self, writing: int) -> None:
        """Go on with a pipe that an earlier server had made."""
        self._writing = writing
        if self.is_closed:
            self.close()

    def claim(self, writer: object, *, take: bool) -> None:
        """Let one writer alone write, until it lets go.

        Raises:
            Refused: `input-conflict`: another one does.
        """
        if self._writer not in (None, writer) and not take:
            raise Refused(
                ErrorCode.INPUT_CONFLICT,
                "another connection writes to it; `take` takes it over",
                offset=self.offset,
            )
        self._writer = writer

    def let_go(self, writer: object) -> None:
        """The writer is gone."""
        if self._writer is writer:
            self._writer = None

    async def write(self, offset: int, data: bytes, *, close: bool = False) -> int:
        """Give more, and wait until the command's pipe has taken it.

        Args:
            offset: Bytes that were given before. What was given already is left out.
            data: The bytes.
            close: Whether it ends with them.

        Returns:
            Bytes that were given so far.

        Raises:
            Refused: It is closed, or bytes before these are missing.
        """
        async with self._turn:
            await self._drained.wait()
            if offset > self.offset:
                raise Refused(
                    ErrorCode.INPUT_CONFLICT, f"bytes from {self.offset} on are missing", offset=self.offset
                )
            rest = data[self.offset - offset :]
            if rest and self.is_unsure:
                raise Refused(
                    ErrorCode.INPUT_UNKNOWN,
                    f"the server was killed while it gave what comes after byte {self.offset}: "
                    "whether the command got some of it cannot be known",
                    offset=self.offset,
                )
            if (rest or not close) and not self.is_open:
                raise self._closed()
            self.offset += len(rest)
            if rest:
                self._left = memoryview(rest)
                self._drained.clear()
                self._writable()
            await self._drained.wait()
            if self._left:
                raise self._closed()
            if close:
                self.close()
            return self.offset

    @property
    def unread(self) -> int:
        """Bytes that the command has not read yet, of those that its pipe has taken."""
        return held(self._writing)

    def put(self, data: bytes) -> None:
        """Give a little more at once, of which nothing is noted. The pipe must be empty, and nobody else be writing."""
        self.offset += len(data)
        with contextlib.suppress(
            BrokenPipeError, BlockingIOError
        ):  # It has ended; or was filled by somebody else.
            os.write(self._writing, data)

    def close(self) -> None:
        """The command sees the end of file; whoever still waits is told that it took no more."""
        was_open = self.is_open or not self.is_closed
        self.is_closed = True
        self.leave()
        if was_open:
            self._on_close()

    def leave(self) -> None:
        """Give up our end; a later server may get it back."""
        self._drained.set()
        if self._writing >= 0:
            self._watch.leave(self._writing)
            os.close(self._writing)
            self._writing = -1

    def _closed(self) -> Refused:
        if not self.is_closed:
            why = "the workspace has not handed the command's pipes back yet; try again in a moment"
            return Refused(ErrorCode.WORKSPACE_UNAVAILABLE, why)
        return Refused(ErrorCode.INPUT_CLOSED, "its standard input is closed", offset=self.offset)

    def _writable(self) -> None:
        before = self.taken
        self._note(before, False)
        try:
            written = os.write(self._writing, self._left[:PIECE_BYTES])
        except BlockingIOError:
            self._note(before, True)
            self._watch.writable(self._writing, self._writable)
            return
        except BrokenPipeError:  # Nobody reads any more.
            self._note(before, True)
            self.close()
            return
        self._note(before + written, True)
        self._left = self._left[written:]
        if self._left:
            self._watch.writable(self._writing, self._writable)
        else:
            self._watch.leave(self._writing)
            self._drained.set()
