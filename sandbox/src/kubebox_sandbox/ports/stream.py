"""A TCP connection that came from the workspace."""

import socket

from anyio import wait_readable, wait_writable

from kubebox_protocol.tcp import TcpConnection, reset_when_closed
from kubebox_sandbox.workspace.closer import Closer


class WorkspaceStream(TcpConnection):
    """One connection, read and written without ever waiting for the kernel.

    The workspace may hold the same socket, and take back that it doesn't block; so each call says that for itself.

    Args:
        connected: The socket.
        closer: Closes it, which takes as long as the workspace likes.
    """

    def __init__(self, connected: socket.socket, closer: Closer) -> None:
        super().__init__(connected)
        self._closer = closer

    async def receive(self, most: int) -> bytes:
        """The next bytes; none at the end."""
        while True:
            try:
                return self._connection.recv(most, socket.MSG_DONTWAIT)
            except BlockingIOError:
                await wait_readable(self._connection)

    async def send(self, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._connection.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                await wait_writable(self._connection)

    def close(self, *, reset: bool = False) -> None:
        """Let go of it.

        Args:
            reset: Whether the other side shall see that it was not brought to its end.
        """
        if reset:
            reset_when_closed(self._connection)
        self._closer.give([self._connection.detach()])
