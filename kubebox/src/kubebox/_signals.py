"""Signals: their names, checked before anything is sent."""

from typing import Final, Literal, TypeAlias

from kubebox import _arguments
from kubebox._transport.base import Transport
from kubebox.errors import InvalidArgument
from kubebox_protocol import events
from kubebox_protocol.steering import Signal, SignalAnswer, SignalRequest

Scope: TypeAlias = Literal["tree", "leader"]
"""`tree`: all processes that the command has started, and itself; `leader`: the command's own process alone."""

NAMES: Final = frozenset(
    (
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF",
        "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
        "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
    )
)  # fmt: skip
"""Linux's, whatever this machine runs: the module `signal` knows those of its own system."""


def name(signal: str) -> str:
    """A signal's name as it is sent: `SIGINT` and `int` are INT.

    Raises:
        InvalidArgument: There is no such signal.
    """
    given = signal.upper().removeprefix("SIG") if isinstance(signal, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
    if given not in NAMES:
        raise InvalidArgument("signal: must be the name of one of Linux's signals, like SIGINT or INT")
    return given


async def send(transport: Transport, session_id: str, process_id: str, signal: str, scope: Scope) -> int:
    """Send a signal, and say how many processes it went to. It is never sent twice: two of them are not the same as one."""
    if scope not in ("tree", "leader"):
        raise InvalidArgument("scope: must be `tree` or `leader`")
    request = SignalRequest(
        session_id=session_id,
        execution_id=_arguments.process(process_id),
        signal=Signal(signal=name(signal), scope=scope),
    )
    return (await transport.ask(events.SIGNAL, request, SignalAnswer)).signalled
