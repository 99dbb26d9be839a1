"""The socket in the control folder: there while somebody is waited for, and nothing to connect to otherwise."""

import contextlib
import os
import socket
from pathlib import Path

from kubebox_sandbox.workspace.closer import Closer

NAME = "line.sock"
DRAFT = ".line.sock.new"
"""Where it is made before it gets its name, so that whoever finds it can connect."""

BACKLOG = 4
"""Connections that wait to be taken: init, and whoever tries to be it."""


class Doorway:
    """A listening socket that comes and goes.

    Args:
        control: Its folder.
        closer: Closes it: with it goes everything that was sent to connections that nobody took.
    """

    def __init__(self, control: Path, closer: Closer) -> None:
        self._closer = closer
        self._folder = os.open(control, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._unlink(NAME)

    def open(self) -> socket.socket:
        """Listen. The socket is given back with `close`."""
        listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            self._unlink(DRAFT)
            # By way of the folder's descriptor: a socket's own path may have 107 bytes at most.
            path = f"/proc/self/fd/{self._folder}/{DRAFT}"
            listener.bind(path)
            # The workspace's user is another one than ours; who connects is checked by its uid.
            os.chmod(path, 0o666)  # noqa: S103 - as said
            listener.listen(BACKLOG)
            os.rename(DRAFT, NAME, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            listener.close()
            raise
        return listener

    def close(self, listener: socket.socket) -> None:
        """From here on nobody can connect."""
        self._unlink(NAME)
        self._closer.hang_up(listener)

    def leave(self) -> None:
        """Give the folder back."""
        os.close(self._folder)

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)
