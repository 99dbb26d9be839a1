"""Who may be the workspace: one line at a time, and its hello."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from kubebox_sandbox.workspace.doorway import Doorway
from kubebox_sandbox.workspace.line import Line
from kubebox_sandbox.workspace.messages import Hello, Misbehaved
from kubebox_sandbox.workspace.peer import Peer
from kubebox_sandbox.workspace.requests import Workspace

logger = logging.getLogger(__name__)

HELLO_SECONDS = 5.0
"""Seconds from connecting to hello. init says it at once; a silent connection must not keep it out."""

RETRY_SECONDS = 1.0
"""Seconds until the next try to listen, where it can't be now."""


class Listener:
    """Takes one line at a time and hands it to the workspace. While it is up, there is nothing to connect to.

    Args:
        workspace: What the line is for.
        uid: The user id that the other side must have.
    """

    def __init__(self, workspace: Workspace, uid: int) -> None:
        self._workspace = workspace
        self._uid = uid
        self._doorway: Doorway | None = None
        self._listening: socket.socket | None = None
        self._line: Line | None = None
        self._peer: Peer | None = None
        self._greeting: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def listening(self, control: Path) -> AsyncGenerator[None]:
        """Listen in the control folder, whenever there is no line."""
        self._doorway = doorway = Doorway(control, self._workspace.closer)
        try:
            self._listen(doorway)
            yield
        finally:
            self._doorway = None
            self._forget_peer()
            for timer in (self._greeting, self._retry):
                if timer is not None:
                    timer.cancel()
            if self._line is not None:
                self._line.close()
            self._stop_listening(doorway)
            doorway.leave()

    def _listen(self, doorway: Doorway) -> None:
        self._listening = listening = doorway.open()
        asyncio.get_running_loop().add_reader(listening.fileno(), self._accept, listening)

    def _stop_listening(self, doorway: Doorway) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            doorway.close(self._listening)
            self._listening = None

    def _listen_again(self) -> None:
        self._retry = None
        if self._doorway is None or self._listening is not None:
            return
        try:
            # Each line can leave as many descriptors open as there is room for; one after the other, all there are.
            if self._workspace.closer.stuck:
                raise OSError(None, "too many descriptors of the last line are still open")
            self._listen(self._doorway)
        except OSError as error:
            logger.warning("the line cannot be listened for: %s", error.strerror)
            self._retry = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._listen_again)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except (
            OSError
        ) as error:  # The connecting side went away, or the server has no descriptors: the next try may do.
            logger.warning("a connection to the line failed: %s", error)
            return
        peer = Peer(connection, self._workspace.died)
        if peer.uid != self._uid or self._line is not None:
            why = "there is a line already" if peer.uid == self._uid else f"its user is {peer.uid}"
            logger.warning("a connection to the line was refused: %s", why)
            peer.forget()
            self._workspace.closer.hang_up(connection)
            return
        self._forget_peer()
        self._peer = peer
        self._line = Line(connection, self._workspace.closer, self._packet, self._broken)
        self._greeting = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._give_up)

    def _packet(self, packet: bytes, descriptors: list[int]) -> None:
        if self._greeting is None:
            self._workspace.packet(packet, descriptors)
            return
        self._workspace.closer.give(descriptors)
        try:
            hello = Hello.model_validate(json.loads(packet))
        except (ValidationError, ValueError, RecursionError):
            raise Misbehaved("it did not say hello") from None
        self._end_greeting()
        assert self._line is not None  # noqa: S101 - it is the line that calls; for the type checker
        if self._doorway is not None:
            # Before the welcome: no command runs yet that could connect.
            self._stop_listening(self._doorway)
        self._workspace.welcome(self._line, hello)

    def _broken(self, reason: str, misbehaved: bool) -> None:
        self._line = None
        if self._greeting is not None:
            self._end_greeting()
            logger.warning("a connection to the line ended before its hello: %s", reason)
            return
        self._workspace.lost(reason, misbehaved)
        self._listen_again()

    def _give_up(self) -> None:
        self._greeting = None
        if self._line is not None:
            self._line.close()
            self._line = None
            logger.warning("a connection to the line said no hello")

    def _forget_peer(self) -> None:
        if self._peer is not None:
            self._peer.forget()
            self._peer = None

    def _end_greeting(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None
