"""Noticing that a shell has read all of its script."""

import asyncio
from collections.abc import Callable
from typing import Final

from kubebox_sandbox.executions.script import NOTHING
from kubebox_sandbox.executions.stdin import StandardInput

FIRST_LOOK_SECONDS: Final = 0.25
"""Seconds until the first look: most commands have ended by then, and are never looked at."""

LONGEST_PAUSE_SECONDS: Final = 2.0
"""Seconds between two looks at most. A look is a system call; and so long, with the first ones, may a shell that answers no more
go unnoticed."""


class Exhausted:
    """Notices when a shell has read on, past what it owes an answer.

    Some shells read as much as there is, and run it then. None comes back for more before it has run all that it has. So a
    line of nothing is written when the pipe is empty; and when that has been taken too, everything before it is done.

    Args:
        stdin: Where its script comes from.
        is_writing: Whether more of it is being written.
        noticed: Called when all is done.
    """

    def __init__(
        self, stdin: StandardInput, is_writing: Callable[[], bool], noticed: Callable[[], None]
    ) -> None:
        self._stdin = stdin
        self._is_writing = is_writing
        self._noticed = noticed
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._pause = 0.0
        self._has_nothing = False

    def watch(self) -> None:
        """Begin to look."""
        self._has_nothing = False
        self._pause = FIRST_LOOK_SECONDS
        self._again()

    def leave(self) -> None:
        """Look no more."""
        # The timer stays: a quick command would pay more for a new one than for all else here.
        self._due = None

    def close(self) -> None:
        """Look never again."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        self._due = self._loop.time() + self._pause
        if self._timer is not None and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._awake)

    def _awake(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._awake)
        else:
            self._look()

    def _look(self) -> None:
        if not self._stdin.is_open:
            return  # Its end will be told.
        if self._is_writing() or self._stdin.unread:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        elif self._has_nothing:
            self._noticed()
            return
        else:
            self._stdin.put(NOTHING)
            self._has_nothing = True
        self._again()
