"""MCP over this process's standard streams: the client has started it, and it ends with the client."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from anyio import BrokenResourceError
from mcp.server.stdio import stdio_server

from kubebox._aside import STDIN, STDOUT, Aside, read_some, write_all
from kubebox.mcp.clients import Clients
from kubebox.mcp.place import Place
from kubebox.mcp.server import make_server

if TYPE_CHECKING:
    from anyio import AsyncFile

STDERR: Final = 2


async def serve_stdio(place: Place) -> None:
    """Serve the client at the other end of standard input and output, until it closes them.

    Args:
        place: Where its sandboxes are made. They end with this.
    """
    async with Clients(place) as clients:
        server = make_server(clients)
        async with _claimed() as (lines, writer):
            try:
                async with stdio_server(
                    cast("AsyncFile[str]", lines), cast("AsyncFile[str]", writer)
                ) as streams:
                    await server.run(*streams, server.create_initialization_options())
            except* BrokenPipeError:
                pass  # The client has left without a word.
            except* BrokenResourceError:
                # Where it is cancelled, the SDK's parts find each other's streams closed, and say so in place of that.
                if not _is_cancelled():
                    raise
        if _is_cancelled():
            raise asyncio.CancelledError


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def _claimed() -> AsyncGenerator[tuple["_Lines", "_Writer"]]:
    """Keep the streams for the protocol alone: whatever else this process or a child of it prints goes to standard error."""
    wire_in, wire_out = os.dup(STDIN), os.dup(STDOUT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STDIN)
    os.dup2(STDERR, STDOUT)
    os.close(nothing)
    lines, writer = _Lines(wire_in), _Writer(wire_out)
    try:
        yield lines, writer
    finally:
        # The descriptors stay open: a thread may still wait at one of them, and must not find another file there.
        lines.close()
        writer.close()


class _Lines:
    """Lines that come, as the SDK reads them: from a thread that nobody waits for, or Ctrl-C would wait for the next line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._aside = Aside("messages")
        self.close = self._aside.close

    async def __aiter__(self) -> AsyncGenerator[str]:
        begun = bytearray()
        while data := await self._aside.do(read_some, self._descriptor):
            *lines, rest = data.split(b"\n")
            for line in lines:
                yield (bytes(begun) + line).decode("utf-8", "replace")
                begun.clear()
            begun += rest
        if begun:
            yield begun.decode("utf-8", "replace")


class _Writer:
    """Where lines go, likewise: a client that does not read must not keep the server from ending."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._aside = Aside("answers")
        self.close = self._aside.close

    async def write(self, text: str) -> None:
        await self._aside.do(write_all, self._descriptor, text.encode())

    async def flush(self) -> None:
        """What is written is written."""
