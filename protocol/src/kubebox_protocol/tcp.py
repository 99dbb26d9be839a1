"""What both ends of a port's way do alike with their TCP connection. None of it waits."""

import contextlib
import socket
import struct
from typing import Final

_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER that sends a reset, and nothing else, when the socket is closed."""


class TcpConnection:
    """A TCP connection, for a relay.

    Args:
        connection: Its socket, which whoever made it closes.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def end(self) -> None:
        """Write nothing more. Reading goes on."""
        with contextlib.suppress(OSError):  # The other side has gone.
            self._connection.shutdown(socket.SHUT_WR)

    def check(self) -> None:
        """`OSError` where it is known to have broken off."""
        self._connection.getpeername()  # The kernel knows none any more.


def reset_when_closed(connection: socket.socket) -> None:
    """Have the other side see that a connection was not brought to its end, once it is closed."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
