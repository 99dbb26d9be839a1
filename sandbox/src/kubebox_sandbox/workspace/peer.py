"""The process on the other end of the line, where the server can see it: whether a line that breaks may come back."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable

CREDENTIALS = struct.Struct("3i")
"""A process id, a user id and a group id, as `SO_PEERCRED` gives them."""


class Peer:
    """Who has connected.

    Args:
        connection: The line.
        on_end: Called when that process has ended. Never, where it lives in a namespace that is not seen from here.

    Attributes:
        uid: Its user.
    """

    def __init__(self, connection: socket.socket, on_end: Callable[[], None]) -> None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        pid, self.uid, _ = CREDENTIALS.unpack(credentials)
        self._on_end = on_end
        self._pidfd = -1
        if pid > 0:
            with contextlib.suppress(OSError):  # It has ended, or the kernel knows no such descriptors.
                self._pidfd = os.pidfd_open(pid)
                asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    def forget(self) -> None:
        """Watch it no longer."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _ended(self) -> None:
        self.forget()
        self._on_end()
