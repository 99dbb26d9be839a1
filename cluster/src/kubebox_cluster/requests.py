"""Making requests that are answered by objects: bounded in time, in size and in number, and repeated where that helps."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, TypeAlias, cast

import aiohttp

from kubebox_cluster.connection import Ask, Connection
from kubebox_cluster.failures import unreachable
from kubebox_cluster.patience import Patience
from kubebox_cluster.target import Target

Manifest: TypeAlias = dict[str, Any]
"""An object of Kubernetes, as in its YAML."""

READ_SECONDS: Final = 20.0
"""Seconds until an answer to a question is given up, and the question asked again."""

WRITE_SECONDS: Final = 70.0
"""Seconds until an answer to a change is given up, since it cannot be made again: the API server itself gives up after 60."""

MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
"""Bytes of an answer. A list of fifty thousand pods is the longest."""

MAX_AT_ONCE: Final = 32
"""Requests at once. More wait here, in order, instead of being refused there (429). Watches and tunnels do not count."""


class Requests:
    """Makes requests to one API server.

    Args:
        target: Which one, and as whom.
    """

    def __init__(self, target: Target) -> None:
        self.connection = Connection(target)
        self._server = target.server
        self._patience = Patience()
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def close(self) -> None:
        """Close all connections."""
        await self.connection.close()

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        """Ask for an object."""
        return self._object(await self.content(path, query or {}))

    async def content(self, path: str, query: Mapping[str, str]) -> bytes:
        """Ask for what is no object."""
        total = 2 * READ_SECONDS
        ask = Ask(method="GET", path=path, query=query, answer_seconds=READ_SECONDS, total_seconds=total)
        return await self._persist(ask, repeatable=True)

    async def write(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        query: Mapping[str, str],
        content_type: str = "application/json",
        repeatable: bool = False,
    ) -> Manifest:
        """Send an object; what answers is one, too.

        Args:
            method: How.
            path: Where.
            body: The object.
            query: Besides.
            content_type: What the object is.
            repeatable: Whether it may be sent again when nobody knows what became of it.
        """
        ask = Ask(
            method=method,
            path=path,
            query=query,
            body=json.dumps(body).encode(),
            content_type=content_type,
            answer_seconds=WRITE_SECONDS,
            total_seconds=WRITE_SECONDS,
        )
        return self._object(await self._persist(ask, repeatable=repeatable))

    @asynccontextmanager
    async def lines(
        self, path: str, query: Mapping[str, str], quiet_seconds: float
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Ask, once, for what comes line by line.

        Args:
            path: What is asked for.
            query: How.
            quiet_seconds: How long the server may be silent.
        """
        ask = Ask(method="GET", path=path, query=query, answer_seconds=quiet_seconds)
        async with self.connection.answer(ask) as response, aclosing(_lines(response)) as lines:
            yield lines

    async def _persist(self, ask: Ask, *, repeatable: bool) -> bytes:
        async def once() -> bytes:
            async with self._places, self.connection.answer(ask) as response:
                return await self._whole(response)

        return await self._patience.persist(once, repeatable=repeatable)

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                problem = f"its answer is longer than {MAX_ANSWER_BYTES} bytes"
                raise unreachable(self._server, "answer", problem, sent=True)
        return bytes(body)

    def _object(self, body: bytes) -> Manifest:
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise unreachable(self._server, "answer", "it is no API server: it answers no JSON", sent=True)
        return cast("Manifest", said)


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    rest = b""
    async for piece in response.content.iter_any():
        rest += piece
        if b"\n" in piece:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield line
