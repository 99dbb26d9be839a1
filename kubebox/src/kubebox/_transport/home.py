"""The event loop that a connection lives on, and its end with that loop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from kubebox.errors import WrongEventLoop


class Home:
    """The loop on which a client connected. Sockets and futures of one loop mean nothing to another.

    Args:
        url: The server's address, for messages.
        close: Closes the connection; called when the loop ends before anyone has disconnected.
    """

    def __init__(self, url: str, close: Callable[[], Awaitable[None]]) -> None:
        self._url = url
        self._close = close
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard: AsyncGenerator[None] | None = None

    def check(self) -> None:
        """Refuse any other loop than the one connected on.

        Raises:
            WrongEventLoop: This is another one, or that one is over.
        """
        if self._loop is None or asyncio.get_running_loop() is self._loop:
            return
        if self._loop.is_closed():
            raise WrongEventLoop(
                f"{self._url}: the event loop that this was connected on is over (asyncio.run() ends its own); "
                "make a new client or sandbox in each asyncio.run(), or do everything in one"
            )
        raise WrongEventLoop(
            f"{self._url}: this was connected on another event loop; use it there alone, from other threads by "
            "asyncio.run_coroutine_threadsafe(…, loop), or make a client for this loop too"
        )

    async def claim(self) -> None:
        """Live on the running loop from now on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._guard = self._until_the_loop_ends()
            await anext(self._guard)

    async def release(self) -> None:
        """Belong to no loop any more; the connection is closed."""
        guard, self._guard, self._loop = self._guard, None, None
        if guard is not None:
            await guard.aclose()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        # asyncio closes the generators that are still open when a loop ends: the one place where a program that
        # was ended by an exception or by Ctrl-C still lets us say goodbye.
        try:
            yield
        finally:
            if self._guard is not None:
                await self._close()
