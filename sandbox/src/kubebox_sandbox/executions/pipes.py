"""Pipes that others hold, too: looking at them and reading them without ever waiting.

What is passed to the workspace shares its flags with what stays here, so that `O_NONBLOCK` is anybody's to take away.
And a command can open its own output for reading, and take what is there before we do.
"""

import array
import fcntl
import os
import select
import termios
from typing import NamedTuple


def held(pipe: int) -> int:
    """Bytes that a pipe holds."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def has_ended(pipe: int) -> bool:
    """Whether nothing is in a pipe, and nobody can write to it any more."""
    looked = select.poll()
    looked.register(pipe, select.POLLIN)
    return [event for _, event in looked.poll(0)] == [select.POLLHUP]


def read_now(pipe: int, count: int) -> bytes:
    """Read what a pipe holds; nothing where it has ended.

    What it holds goes through a pipe of our own: the kernel moves it there without waiting, whatever the flags are. That
    also takes away what a failed write leaves in a pipe on older kernels: an empty piece, which poll takes for something.

    Raises:
        BlockingIOError: It holds nothing.
        OSError: There are no descriptors left.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        moved = os.splice(pipe, writing, count, flags=os.SPLICE_F_NONBLOCK)
        return os.read(reading, moved) if moved else b""
    finally:
        os.close(reading)
        os.close(writing)


def allow_opening(pipe: int) -> None:
    """Let whoever holds a command's stream open it by its name (`/dev/stderr`): commands have another user than we."""
    os.fchmod(pipe, 0o666)


class Ends(NamedTuple):
    """A pipe to or from a command: its end, ours, and one of ours that the workspace keeps, which shares no flags with it."""

    theirs: int
    ours: int
    kept: int


def open_pipe(access: int) -> Ends:
    """Make a pipe of which this end is ours (`os.O_RDONLY` or `os.O_WRONLY`); all three are the caller's to close.

    Raises:
        OSError: There are no descriptors left.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    theirs, kept = (writing, reading) if access == os.O_RDONLY else (reading, writing)
    try:
        return Ends(theirs, reopened(kept, access), kept)
    except OSError:
        os.close(reading)
        os.close(writing)
        raise


def reopened(pipe: int, access: int) -> int:
    """A descriptor of our own for a pipe: its flags are nobody else's, and it does not wait.

    Raises:
        OSError: There are no descriptors left, or it is another user's pipe.
    """
    return os.open(f"/proc/self/fd/{pipe}", access | os.O_NONBLOCK | os.O_CLOEXEC)
