"""How a command ended, as an exit code: as ssh and timeout give them."""

from typing import Final

from kubebox._exit_codes import exit_code_of
from kubebox_protocol.verdicts import Verdict, VerdictKind

EXIT_TIMED_OUT: Final = 124

PLAIN: Final = (VerdictKind.EXITED, VerdictKind.SIGNALLED)
"""Ends whose exit code says all."""


def exit_code(verdict: Verdict) -> int:
    """The exit code that tells of an end: the command's own, 128+N after signal N, 124 after its time limit."""
    if verdict.kind == VerdictKind.TIMED_OUT:
        return EXIT_TIMED_OUT
    return exit_code_of(verdict)


def needs_words(verdict: Verdict) -> bool:
    """Whether somebody should be told more than the exit code: it ran out of time or memory, or others ended it."""
    return verdict.kind not in PLAIN and verdict.by != "client"
