"""Ending at once what waits for a connection, when the client disconnects."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from kubebox.errors import KubeboxError, NotConnected


class Interrupt:
    """What must end with the client, in whoever's task it runs."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def ending(self) -> AsyncGenerator[None]:
        """End the body with `NotConnected` when `strike` is called."""
        try:
            async with asyncio.timeout(None) as scope:
                self._scopes.add(scope)
                try:
                    yield
                finally:
                    self._scopes.discard(scope)
        except TimeoutError as error:
            if isinstance(error, KubeboxError):
                raise
            raise disconnected() from None

    def strike(self) -> None:
        """End all that is under way."""
        # A timeout that is over now, since a task cannot be cancelled from outside without its owner's knowing.
        for scope in self._scopes:
            scope.reschedule(asyncio.get_running_loop().time())


def disconnected() -> NotConnected:
    """The error of whoever still waits then."""
    return NotConnected("disconnect() was called")
