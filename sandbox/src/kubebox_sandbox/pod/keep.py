"""Programs that live on while their processes may be replaced: what the first process of a container is for."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

EXIT_SETTINGS: Final = 2
"""What a program exits with where its settings are wrong. The next one would get the same, and refuse them too."""

EXIT_BY_SIGNAL: Final = 128
"""What shells add to the number of the signal that ended a program. With 0 an evicted pod would count as a success."""

FIRST_PAUSE_SECONDS: Final = 0.25
"""Before the second restart in a row, and doubled before each further one. None before the first: most accidents happen once."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""The pause between tries that go on for ever: what holds the port and the journals is worth more than an end, after which
Kubernetes would try again just the same."""

SOUND_SECONDS: Final = 60.0
"""How long a process has to live for its end to count as the first again."""

END_SECONDS: Final = 4.0
"""Seconds that programs get to end. The server takes three at most; a pod's grace is five."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Program:
    """A program to keep running.

    Args:
        name: For the log.
        arguments: Its argv, with the program's path as the first.
        environment: All of its environment.
        descriptors: What it inherits, under the same numbers.
    """

    def __init__(
        self, name: str, arguments: list[str], environment: dict[str, str], descriptors: Sequence[int] = ()
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.environment = environment
        self.descriptors = descriptors
        self.process = 0
        self.begun = 0.0
        self.accidents = 0
        self.due: float | None = None


def pause_after(accidents: int) -> float:
    """Seconds until the next try, after so many ends in a row."""
    if accidents <= 1:
        return 0.0
    # The power is bounded by itself: its number grows without end where the tries do.
    return min(FIRST_PAUSE_SECONDS * 2.0 ** min(accidents - 2, 10), LONGEST_PAUSE_SECONDS)


class Keeper:
    """Keeps programs running until it is told to end, and reaps whatever else ends here.

    Args:
        programs: What to run, in the order in which they start.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs

    def run(self) -> int:
        """Keep them running, and return what to exit with."""
        # Blocked, they wait until they are asked for. One without a handler would never reach the first process.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for program in self._programs:
                self._start(program)
            while True:
                told = self._next_signal()
                if told not in (None, signal.SIGCHLD):
                    return EXIT_BY_SIGNAL + told
                if self._reap():
                    return EXIT_SETTINGS
                self._start_due()
        finally:
            self._end()

    def _next_signal(self) -> int | None:
        due = [program.due for program in self._programs if program.due is not None]
        if not due:
            return signal.sigwaitinfo(_SIGNALS).si_signo
        told = signal.sigtimedwait(_SIGNALS, max(0.0, min(due) - time.monotonic()))
        return None if told is None else told.si_signo

    def _start_due(self) -> None:
        for program in self._programs:
            if program.due is not None and program.due <= time.monotonic():
                self._start(program)

    def _start(self, program: Program) -> None:
        program.due, program.begun = None, time.monotonic()
        try:
            program.process = os.posix_spawn(
                program.arguments[0],
                program.arguments,
                program.environment,
                # Onto itself, a descriptor only loses the mark by which it would be closed.
                file_actions=[(os.POSIX_SPAWN_DUP2, each, each) for each in program.descriptors],
                setsigmask=(),
            )
        except OSError as error:  # No process or memory left, which may pass.
            self._plan_next(program, f"could not be started: {error.strerror}")

    def _reap(self) -> bool:
        """Reap what has ended, and say whether one of them will never run."""
        hopeless = False
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return hopeless
            if process == 0:
                return hopeless
            for program in self._programs:
                if program.process == process:
                    hopeless |= self._ended(program, os.waitstatus_to_exitcode(status))

    def _ended(self, program: Program, code: int) -> bool:
        program.process = 0
        if code == EXIT_SETTINGS:
            say(f"{program.name} refused its settings")
            return True
        self._plan_next(program, f"ended ({_how(code)})")
        return False

    def _plan_next(self, program: Program, what: str) -> None:
        now = time.monotonic()
        program.accidents = 1 if now - program.begun >= SOUND_SECONDS else program.accidents + 1
        pause = pause_after(program.accidents)
        program.due = now + pause
        say(f"{program.name} {what}; another is started in {pause:g} s")

    def _end(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        self._signal(signal.SIGTERM)
        while any(program.process for program in self._programs):
            left = deadline - time.monotonic()
            if left <= 0 or signal.sigtimedwait((signal.SIGCHLD,), left) is None:
                self._signal(signal.SIGKILL)
                return
            self._forget_ended()

    def _forget_ended(self) -> None:
        for program in self._programs:
            if program.process and os.waitpid(program.process, os.WNOHANG)[0]:
                program.process = 0

    def _signal(self, number: signal.Signals) -> None:
        for program in self._programs:
            if program.process:
                os.kill(program.process, number)  # It has not been reaped, so its number is its own.


def say(message: str) -> None:
    """Tell whoever reads the container's log."""
    print(f"kubebox-pod: {message}", file=sys.stderr, flush=True)  # noqa: T201 - as said


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
