"""A client whose every byte goes through a proxy that breaks."""

from collections.abc import AsyncIterable, Awaitable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from kubebox._results import CommandOutput
from kubebox.testing import Box
from tests.faults.proxy import Proxy
from tests.soak.content import Content

WAIT_FOR_GO: Final = "echo on > on; echo first; until [ -e go ]; do sleep 0.02; done; echo last"
"""A command that says that it runs, and ends when it is told to."""


@dataclass
class Line:
    """A client whose every byte goes through a proxy.

    Attributes:
        proxy: The proxy.
        box: A session, reached through it.
        direct: The same session, reached past it.
    """

    proxy: Proxy
    box: Box
    direct: Box

    async def running(self) -> None:
        """Wait until the command has said that it runs."""
        while not await self.direct.client.file_exists(self.direct.session_id, "on"):  # noqa: ASYNC110 - another process's
            await anyio.sleep(0.01)

    async def go(self) -> None:
        """Let the command end."""
        await self.direct.client.write_file(self.direct.session_id, "go", "")

    async def back(self, opened: int) -> None:
        """Wait until the client has come back."""
        while self.proxy.opened == opened:  # noqa: ASYNC110 - the client does it in its own time
            await anyio.sleep(0.005)


class OpenLine(Protocol):
    """Makes lines to the shared sandbox."""

    def __call__(self, *, reconnect: float = ..., heartbeat: float = ...) -> Awaitable[Line]: ...


async def read(content: Content, pieces: AsyncIterable[CommandOutput], *, until: int | None = None) -> None:
    """Read a stream, to its end or until there are so many bytes in all."""
    async for piece in pieces:
        content.add(piece.data, piece.offset)
        if until is not None and content.size >= until:
            return
