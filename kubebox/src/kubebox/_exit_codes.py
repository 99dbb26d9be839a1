"""Exit codes, as shells give them."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kubebox_protocol.verdicts import Verdict

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
"""What is said of a program that cannot be run, or is not there."""

SIGNALLED: Final = 128
"""Added to a signal's number: what is said of a program that it ended."""

UNKNOWN: Final = 255


def exit_code_of(verdict: "Verdict") -> int:
    """The command's own, or 128+N after signal N; 255 where there is none."""
    if verdict.exit_code is None:
        return UNKNOWN
    return verdict.exit_code if verdict.exit_code >= 0 else SIGNALLED - verdict.exit_code
