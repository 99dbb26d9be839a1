"""What a person types to the terminal itself, not to what runs in it: `~` at the start of a line, as with ssh."""

from enum import Enum
from typing import Final

TILDE: Final = b"~"
LINE_ENDS: Final = b"\r\n"


class Wish(Enum):
    """What is wanted of the terminal."""

    END = b"."
    DETACH = b"d"
    HELP = b"?"


class Escapes:
    """Finds wishes among what is typed.

    The tilde waits for the key after it, so what is typed may be cut anywhere.
    """

    def __init__(self) -> None:
        self._line_start = True
        self._tilde = False

    def read(self, typed: bytes) -> list[bytes | Wish]:
        """What to pass on, and what is wanted, in order."""
        found: list[bytes | Wish] = []
        passed = bytearray()
        for number in typed:
            key = bytes((number,))
            if self._tilde:
                self._tilde = False
                if key in _WISHES:
                    if passed:
                        found.append(bytes(passed))
                        passed.clear()
                    found.append(_WISHES[key])
                    self._line_start = True
                    continue
                passed += TILDE
                self._line_start = False
                if key == TILDE:  # Two of them mean one.
                    continue
            elif self._line_start and key == TILDE:
                self._tilde = True
                continue
            passed += key
            self._line_start = key in LINE_ENDS
        if passed:
            found.append(bytes(passed))
        return found


_WISHES: Final = {wish.value: wish for wish in Wish}
