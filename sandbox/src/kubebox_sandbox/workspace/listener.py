"""The socket that init connects to: who may, and the hello."""

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from kubebox_sandbox.workspace.descriptors import close_all
from kubebox_sandbox.workspace.line import Line
from kubebox_sandbox.workspace.messages import Hello, Misbehaved
from kubebox_sandbox.workspace.requests import Workspace

logger = logging.getLogger(__name__)

NAME = "line.sock"
HELLO_SECONDS = 5.0
"""Seconds from connecting to hello. init says it at once; a silent connection must not keep it out."""


class Listener:
    """Takes one line at a time and hands it to the workspace.

    Args:
        workspace: What the line is for.
        uid: The user id that the other side must have.
    """

    def __init__(self, workspace: Workspace, uid: int) -> None:
        self._workspace = workspace
        self._uid = uid
        self._line: Line | None = None
        self._greeting: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def listening(self, control: Path) -> AsyncGenerator[None]:
        """Listen in the control folder."""
        loop = asyncio.get_running_loop()
        listener = _bind(control)
        loop.add_reader(listener.fileno(), self._accept, listener)
        try:
            yield
        finally:
            loop.remove_reader(listener.fileno())
            listener.close()
            if self._greeting is not None:
                self._greeting.cancel()
            if self._line is not None:
                self._line.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (
            OSError
        ) as error:  # The connecting side went away, or the server has no descriptors: the next try may do.
            logger.warning("a connection to the line failed: %s", error)
            return
        uid = _peer_uid(connection)
        if uid != self._uid or self._line is not None:
            why = "there is a line already" if uid == self._uid else f"its user is {uid}"
            logger.warning("a connection to the line was refused: %s", why)
            connection.close()
            return
        self._line = Line(connection, self._hello, self._broken)
        self._greeting = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._give_up)

    def _hello(self, packet: bytes, descriptors: list[int]) -> None:
        if self._greeting is None:
            self._workspace.packet(packet, descriptors)
            return
        close_all(descriptors)
        try:
            hello = Hello.model_validate(json.loads(packet))
        except (ValidationError, ValueError, RecursionError):
            raise Misbehaved("it did not say hello") from None
        self._end_greeting()
        assert self._line is not None  # noqa: S101 - it is the line that calls; for the type checker
        self._workspace.welcome(self._line, hello)

    def _broken(self, reason: str, misbehaved: bool) -> None:
        self._line = None
        if self._greeting is not None:
            self._end_greeting()
            logger.warning("a connection to the line ended before its hello: %s", reason)
            return
        self._workspace.lost(reason, misbehaved)

    def _give_up(self) -> None:
        self._greeting = None
        if self._line is not None:
            self._line.close()
            self._line = None
            logger.warning("a connection to the line said no hello")

    def _end_greeting(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None


def _bind(control: Path) -> socket.socket:
    listener = socket.socket(
        socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    )
    folder = os.open(control, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # By way of the folder's descriptor: a socket's own path may have 107 bytes at most.
    path = f"/proc/self/fd/{folder}/{NAME}"
    try:
        if os.path.lexists(path):
            os.unlink(path)
        listener.bind(path)
        # The workspace's user is another one than ours; who connects is checked by its uid.
        os.chmod(path, 0o666)  # noqa: S103 - as said
        listener.listen(4)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


def _peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid
