"""The user's own terminal: put into raw mode, and back whatever happens."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from kubebox._aside import STDIN, STDOUT
from kubebox.errors import NotSupported

BACK_TO_PLAIN: Final = (
    "\x1b[?1047l"  # the screen that was there before: unlike 1049, this leaves the cursor where it is
    "\x1b[?25h"  # a cursor that shows
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"  # no reports of the mouse
    "\x1b[?2004l\x1b[?1004l"  # nor of what is pasted, nor of focus
    "\x1b[?1l\x1b>"  # keys that send what they usually do
    "\x1b[0m\r\n"
)
"""What a program says to a terminal when it ends; one that is left says nothing, and its modes would stay."""


def require_terminal() -> None:
    """Refuse a standard input that is no terminal, before anything is made for one.

    Raises:
        NotSupported: It is none.
    """
    if not os.isatty(STDIN):
        raise NotSupported("a shell needs a terminal on standard input; `kubebox run` needs none")


@contextmanager
def raw() -> Generator[None]:
    """Let every key go to whoever reads, as it is typed.

    Raises:
        NotSupported: This system has no terminal that can be raw.
    """
    try:
        import termios
        import tty
    except ImportError:
        raise NotSupported("this system has no terminal that can be raw; `kubebox run` needs none") from None
    before = termios.tcgetattr(STDIN)
    try:
        tty.setraw(STDIN)
        yield
    finally:
        # Not those that wait for the output to be taken: a terminal that is stopped would keep us for ever.
        termios.tcsetattr(STDIN, termios.TCSANOW, before)


def size() -> tuple[int, int]:
    """Rows and columns of the terminal; 24 and 80 where it does not say."""
    for descriptor in (STDIN, STDOUT):
        try:
            columns, rows = os.get_terminal_size(descriptor)
        except OSError:
            continue
        if rows and columns:
            return rows, columns
    return 24, 80
