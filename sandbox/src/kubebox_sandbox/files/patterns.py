"""RE2, which has no types, behind a small typed front."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Final, Protocol, cast

import re2

from kubebox_protocol.errors import ErrorCode, Refused

PATTERN_MEMORY_BYTES: Final = 8 * 1024 * 1024
"""Bytes that one compiled pattern may take: RE2's own default, written down."""


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None:
        """A match anywhere in the text, or `None`."""
        ...


def compile_patterns(regexes: list[str]) -> list[Pattern]:
    """Compile patterns. RE2 matches in linear time, so no pattern can make the server spin.

    Raises:
        Refused: One is not valid, or needs what RE2 leaves out for that reason (lookaround, backreferences).
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY_BYTES
    compiled: list[Pattern] = []
    for number, regex in enumerate(regexes):
        try:
            compiled.append(cast("Pattern", re2.compile(regex, options)))
        except re2.error as error:
            reason = error.args[0] if error.args else "invalid"
            text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
            raise Refused(ErrorCode.REGEX_INVALID, f"pattern {number}: {text}", index=number) from None
    return compiled
