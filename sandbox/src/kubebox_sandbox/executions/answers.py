"""What a shell says, on a pipe of its own."""

import os
from collections.abc import Callable
from typing import Final

from kubebox_sandbox.executions.pipes import held, open_pipe
from kubebox_sandbox.executions.script import ANSWER
from kubebox_sandbox.executions.watch import Watch

MAX_BYTES: Final = 4096
"""Bytes that are read at once, and that are kept of an answer that has not ended. One has some 60, and two are due."""


class Answers:
    """Reads the answers of a shell.

    The last byte is left in the pipe until what was read before it is written down. So a server that starts anew finds out that
    an earlier one had read an answer, and was killed before it could write it down: an end without a beginning is there.

    Args:
        watch: Watches the pipe.
        heard: Called with each answer: the command's number, what it says, and the question's number or 0. Writes it down.

    Attributes:
        carefully: Whether to read byte by byte, so that nothing is taken from the pipe that comes after a code which is not
            written down yet.
        torn: Whether there was a line without an answer, as where an earlier server has read its beginning.
    """

    def __init__(self, watch: Watch, heard: Callable[[int, str, int], None]) -> None:
        self._watch = watch
        self._heard = heard
        self._reading = -1
        self._rest = b""
        self._is_said = False  # The line that is being read has had its answer.
        self.carefully = False
        self.torn = False

    def open(self) -> tuple[int, int]:
        """Make the pipe.

        Returns:
            The shell's end, and one of ours that the workspace keeps; both are the caller's to close.

        Raises:
            OSError: There are no descriptors left.
        """
        writing, self._reading, kept = open_pipe(os.O_RDONLY)
        return writing, kept

    def adopt(self, reading: int) -> None:
        """Go on with a pipe that an earlier server had made."""
        self._reading = reading

    def listen(self) -> None:
        """Read what comes. What comes while nobody listens is kept by the pipe, and costs nothing."""
        if self._reading >= 0:
            self._watch.readable(self._reading, self.read)

    def rest(self) -> None:
        """Read no more until something is due again."""
        if self._reading >= 0:
            self._watch.leave(self._reading)

    def read(self) -> None:
        """Read what is there."""
        if self._reading < 0:
            return
        try:
            there = min(held(self._reading), MAX_BYTES)
            while there and self.carefully:
                self._take(os.read(self._reading, 1))
                there -= 1
            if there > 1:
                self._take(os.read(self._reading, there - 1))
            last = os.read(self._reading, 1)
        except BlockingIOError:
            return
        if last:
            self._take(last)
        else:
            self.close()

    def close(self) -> None:
        """Read no more."""
        if self._reading >= 0:
            self._watch.leave(self._reading)
            os.close(self._reading)
            self._reading = -1

    def _take(self, data: bytes) -> None:
        text = self._rest + data
        while True:
            found, end = ANSWER.search(text), text.find(b"\n")
            if found is not None and not 0 <= end < found.start():
                text, self._is_said = text[found.end() :], True
                self._heard(int(found[1]), found[2].decode(), int(found[3] or 0))
            elif end >= 0:
                self.torn = self.torn or not self._is_said
                text, self._is_said = text[end + 1 :], False
            else:
                break
        self._rest = text[-MAX_BYTES:]
