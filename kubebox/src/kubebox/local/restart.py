"""A server that dies is started again: its socket stays open here meanwhile, so clients wait instead of being refused."""

import os
import signal
import time
from collections.abc import Callable
from typing import Final

from kubebox.errors import KubeboxError
from kubebox.local.loop import Loop, Receive

EXIT_SETTINGS: Final = 2
"""The server's exit code where its settings are wrong. The next one would get the same, and refuse them too."""

MAX_RESTARTS: Final = 5
"""Within the window. What ends a server so often is not mended by yet another one."""

WINDOW_SECONDS: Final = 60.0
"""So that accidents of a long life do not add up."""

FIRST_PAUSE_SECONDS: Final = 0.25
"""Before the second restart within the window; none before the first, since most accidents happen once. Doubled before
each further one: two seconds before the last, as clients wait for an answer and should not for long."""

Begin = Callable[[int, int], int]
"""Starts a server: its lifeline, a descriptor for its words; gives its process id."""


class KeptServer:
    """A server, as one that lives on while its process may be replaced.

    What it keeps in its folders, and the workspace, are nothing that a restart touches.

    Args:
        loop: The supervisor's.
        begin: Starts one process of it.
        say: Gets its words, and what is to be told of it.
        given_up: Called, with the reason, when there will be none any more.
    """

    def __init__(self, loop: Loop, begin: Begin, say: Receive, given_up: Callable[[str], None]) -> None:
        self._loop = loop
        self._begin = begin
        self._say = say
        self._given_up = given_up
        # Nobody writes: its end of file, when this process ends, is the message to all of them.
        self._lifeline, self._held_open = os.pipe()
        self._kept = False
        self._ends: list[float] = []

    def start(self) -> None:
        """Start the first.

        Raises:
            OSError: It could not be, with the reason.
            LocalUnavailable: It would keep the user's keys.
        """
        reader, writer = os.pipe()
        try:
            process = self._begin(self._lifeline, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        awaited = {"process", "words"}  # its last words often say why

        def over(what: str) -> None:
            awaited.discard(what)
            if not awaited:
                self._ended(process)

        self._loop.read(reader, lambda data: self._say(data) if data else over("words"))
        self._loop.when_ended(process, lambda: over("process"))

    def keep(self) -> None:
        """From now on start another when it ends. A sandbox that is not ready yet had better fail, and say why."""
        self._kept = True

    def _ended(self, process: int) -> None:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        how = _say_how(code)
        if not self._kept:
            self._given_up(f"its server ended by itself ({how})")
        elif code == EXIT_SETTINGS:
            self._given_up("its server, started again, refused its settings; the log says why")
        else:
            self._replace(how)

    def _replace(self, how: str) -> None:
        now = time.monotonic()
        self._ends = [end for end in self._ends if now - end < WINDOW_SECONDS] + [now]
        restarts = len(self._ends) - 1
        if restarts >= MAX_RESTARTS:
            self._given_up(
                f"its server ended {len(self._ends)} times within {WINDOW_SECONDS:g} s and is not started "
                f"again; the last time: {how}"
            )
            return
        pause = FIRST_PAUSE_SECONDS * 2 ** (restarts - 1) if restarts else 0.0
        self._say(f"supervisor: the server ended ({how}); another is started in {pause:g} s\n".encode())
        self._loop.after(pause, self._start_another)

    def _start_another(self) -> None:
        try:
            self.start()
        except (OSError, KubeboxError) as error:
            # Too many processes or keys on this machine, for instance: that may pass.
            self._replace(f"it could not be started: {error}")


def _say_how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    names = {number.value: number.name for number in signal.Signals}  # real-time signals but two have none
    return names.get(-code, f"signal {-code}")
