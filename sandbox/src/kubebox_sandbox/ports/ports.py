"""The ports of one workspace: who may connect to which, and how many at once."""

import asyncio
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.limits import MAX_PORT
from kubebox_sandbox.ports.dial import dial
from kubebox_sandbox.ports.stream import WorkspaceStream
from kubebox_sandbox.workspace import Workspace

MAX_PORT_CONNECTIONS: Final = 256
"""Connections at once. Each takes two descriptors, and up to a window of memory where its reader stalls; browsers open six to
one server, and tests of load some hundred."""

MAX_PORT_WAITS: Final = 64
"""Requests that wait for ports at once: each tries a connection several times a second."""

FIRST_PAUSE_SECONDS: Final = 0.02
"""Seconds between the first two tries of a port: a small server is there in tenths."""

LAST_PAUSE_SECONDS: Final = 0.5
"""Seconds between later ones."""


class Ports:
    """Connections to the ports of a workspace.

    Args:
        workspace: Whose init connects.
        refused: Ports that nobody is led to, since the server itself listens there.
    """

    def __init__(self, workspace: Workspace, refused: Collection[int]) -> None:
        self._workspace = workspace
        self._refused = frozenset(refused)
        self._connections = 0
        self._waits = 0

    @contextmanager
    def place(self) -> Generator[None]:
        """Keep a place for one connection.

        Raises:
            Refused: There is none.
        """
        if self._connections >= MAX_PORT_CONNECTIONS:
            raise _too_many("connections to ports of the workspace", MAX_PORT_CONNECTIONS)
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1

    async def connect(self, port: int) -> WorkspaceStream:
        """Connect to a port. What this gives must be closed.

        Raises:
            Refused: Nothing listens there, or nobody may connect.
        """
        self._check(port)
        return WorkspaceStream(await dial(self._workspace, port), self._workspace.closer)

    async def is_open(self, port: int, seconds: float) -> bool:
        """Whether something takes connections on a port.

        Nothing tells when a process begins to listen, so a connection is tried until one is taken, and closed again at once.

        Args:
            port: The port.
            seconds: To wait for that.

        Raises:
            Refused: Nobody may connect, or the workspace doesn't answer.
        """
        self._check(port)
        if self._waits >= MAX_PORT_WAITS:
            raise _too_many("requests that wait for ports", MAX_PORT_WAITS)
        self._waits += 1
        try:
            return await self._try_until(port, time.monotonic() + seconds)
        finally:
            self._waits -= 1

    async def _try_until(self, port: int, deadline: float) -> bool:
        pause = FIRST_PAUSE_SECONDS
        while not await self._takes_one(port):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
        return True

    async def _takes_one(self, port: int) -> bool:
        try:
            tried = await self.connect(port)
        except Refused as refused:
            if refused.code is ErrorCode.PORT_CLOSED:
                return False
            raise
        tried.close()
        return True

    def _check(self, port: int) -> None:
        if not 1 <= port <= MAX_PORT:
            raise Refused(ErrorCode.INVALID_REQUEST, f"a port is a number from 1 to {MAX_PORT}")
        if port in self._refused:
            raise Refused(
                ErrorCode.PORT_REFUSED,
                f"port {port} is the sandbox's own server, not the workspace's",
                port=port,
            )


def _too_many(what: str, limit: int) -> Refused:
    return Refused(ErrorCode.TOO_MANY_REQUESTS, f"too many {what} at once", limit=limit)
