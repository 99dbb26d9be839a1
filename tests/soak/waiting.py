"""Waiting for what tells nobody that it has happened: files of commands, descriptors of a server."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""


async def eventually(holds: Callable[[], bool | Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Look again and again, until it holds.

    Raises:
        TimeoutError: It does not hold in time.
    """
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)
