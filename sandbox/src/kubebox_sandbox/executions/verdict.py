"""How an execution ended, in a type and in a sentence."""

import signal
from typing import Literal

from kubebox_protocol.executions import Verdict, VerdictKind
from kubebox_sandbox.workspace import Exited

Cause = Literal["client", "timeout"]
"""Who ended an execution, where somebody did."""


def verdict_of(exited: Exited, cause: Cause | None) -> Verdict:
    """The verdict on a process that has ended.

    Args:
        exited: What the workspace says of its end.
        cause: Who had begun to end it before it ended.
    """
    name = _signal_name(exited.signal) if exited.signal is not None else None
    code = -exited.signal if exited.signal is not None else exited.code
    how = f"was ended by {name}" if name else f"exited with code {code}"
    if code is None:
        return Verdict(kind=VerdictKind.UNKNOWN, message="It ended, but the workspace does not know how.")
    if cause == "timeout":
        return Verdict(
            kind=VerdictKind.TIMED_OUT,
            exit_code=code,
            signal=name,
            by=cause,
            message=f"It reached its timeout and {how}.",
        )
    if cause is not None:
        return Verdict(
            kind=VerdictKind.KILLED,
            exit_code=code,
            signal=name,
            by=cause,
            message=f"The {cause} ended it: it {how}.",
        )
    kind = VerdictKind.SIGNALLED if name else VerdictKind.EXITED
    return Verdict(kind=kind, exit_code=code, signal=name, message=f"It {how}.")


def workspace_restarted() -> Verdict:
    """The verdict on what ran when the workspace was lost."""
    return Verdict(
        kind=VerdictKind.WORKSPACE_RESTARTED,
        message="The workspace was lost while it ran, and all of its processes with it.",
    )


def unknown(message: str) -> Verdict:
    """The verdict where it cannot be known whether it ran."""
    return Verdict(kind=VerdictKind.UNKNOWN, message=message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"signal {number}"
