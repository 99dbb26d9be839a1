"""What can be known of a pipe without reading from it."""

import array
import fcntl
import select
import termios


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
