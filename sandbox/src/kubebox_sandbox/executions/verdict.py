"""How an execution ended, in a type and in a sentence."""

import signal
from dataclasses import dataclass
from typing import Literal

from kubebox_protocol.verdicts import Verdict, VerdictKind
from kubebox_sandbox.memory import MemoryWatch
from kubebox_sandbox.workspace import Exited

Cause = Literal["client", "timeout", "lease", "server"]
"""Who ended an execution, where somebody did. The server ends shells that take no more commands."""


SHELL_SAYS_KILLED = 128 + signal.SIGKILL
"""The exit code of a shell whose command was ended by SIGKILL."""


WHY: dict[Cause, str] = {
    "client": "The client ended it: it",
    "lease": "The lease ended it: it",
    "timeout": "It reached its timeout and",
    "server": "The shell takes no more commands, as after `set -n`, or where `command`, `builtin` and `eval` are functions that"
    " run nothing: it",
}
"""Why it was ended, up to how."""


@dataclass(frozen=True)
class Shortage:
    """What the kernel has killed for want of memory, and of how much.

    Attributes:
        killed: Processes that nobody has answered for.
        limit: Bytes that all of them together could use, where that is known.
        peak: Bytes that they have used at most, where that is known.
    """

    killed: int
    limit: int | None
    peak: int | None


class MemoryKills:
    """Tells which ends were the kernel's doing, for want of memory.

    The kernel counts what it kills, and does not say what that was. Each is given to one end that looks like it.

    Args:
        memory: The workspace's memory.
    """

    def __init__(self, memory: MemoryWatch) -> None:
        self._memory = memory
        self._claimed = memory.kills()

    def forget(self) -> None:
        """Begin to count from here: what was killed before has nothing to do with what ends from now on."""
        self._claimed = self._memory.kills()

    def claim(self, exited: Exited) -> Shortage | None:
        """The shortage, where this end came of that."""
        looks_like_it = exited.signal == signal.SIGKILL or exited.code == SHELL_SAYS_KILLED
        shortage = self.unclaimed() if looks_like_it else None
        if shortage is not None:
            self._claimed += 1
        return shortage

    def unclaimed(self) -> Shortage | None:
        """The shortage of which no end has been told yet."""
        killed = self._memory.kills() - self._claimed
        return Shortage(killed, self._memory.limit(), self._memory.peak()) if killed > 0 else None


def verdict_of(exited: Exited, cause: Cause | None, memory: Shortage | None = None) -> Verdict:
    """The verdict on a process that has ended.

    Args:
        exited: What the workspace says of its end.
        cause: Who had begun to end it before it ended.
        memory: The memory that was too little, where that ended it.
    """
    name = _signal_name(exited.signal) if exited.signal is not None else None
    code = -exited.signal if exited.signal is not None else exited.code
    how = f"was ended by {name}" if name else f"exited with code {code}"
    if code is None:
        return Verdict(kind=VerdictKind.UNKNOWN, message="It ended, but the workspace does not know how.")
    if cause is not None:
        kind = VerdictKind.TIMED_OUT if cause == "timeout" else VerdictKind.KILLED
        return Verdict(kind=kind, exit_code=code, signal=name, by=cause, message=f"{WHY[cause]} {how}.")
    if memory is not None:
        return Verdict(
            kind=VerdictKind.OUT_OF_MEMORY,
            exit_code=code,
            signal=name,
            memory_limit=memory.limit,
            memory_peak=memory.peak,
            message=f"The workspace ran out of memory: it {how}.",
        )
    kind = VerdictKind.SIGNALLED if name else VerdictKind.EXITED
    return Verdict(kind=kind, exit_code=code, signal=name, message=f"It {how}.")


def server_restarted(why: str) -> Verdict:
    """The verdict on what could not be gone on with after a restart of the server."""
    return Verdict(
        kind=VerdictKind.SERVER_RESTARTED,
        message=f"The sandbox's server started anew while it ran, and could not go on with it: {why}.",
    )


def workspace_restarted(memory: Shortage | None = None) -> Verdict:
    """The verdict on what ran when the workspace was lost.

    Args:
        memory: What the kernel had killed by then, and nobody knew of: perhaps all of it, perhaps one process some time before.
    """
    lost = "The workspace was lost while it ran, and all of its processes with it"
    if memory is None:
        return Verdict(kind=VerdictKind.WORKSPACE_RESTARTED, message=f"{lost}.")
    return Verdict(
        kind=VerdictKind.WORKSPACE_RESTARTED,
        memory_limit=memory.limit,
        memory_peak=memory.peak,
        message=f"{lost}. The kernel had killed {memory.killed} of them for want of memory.",
    )


def unknown(message: str) -> Verdict:
    """The verdict where it cannot be known whether it ran."""
    return Verdict(kind=VerdictKind.UNKNOWN, message=message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"signal {number}"
