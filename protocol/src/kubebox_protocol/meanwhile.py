"""One step beside another: a piece is written, or read, while the one next to it is on its way over the network."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Meanwhile(Generic[Result]):
    """At most one thing under way, which nobody breaks off: it may use what comes to its end after it.

    Whoever gives up waits with `ended`, shielded from what made it give up.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[Result] | None = None

    def begin(self, work: Coroutine[Any, Any, Result]) -> None:
        """Begin something; what was begun before has been waited for."""
        self._task = asyncio.ensure_future(work)

    async def settled(self) -> Result | None:
        """Wait for what is under way, if anything is. It raises what that raises."""
        task = self._task
        if task is None:
            return None
        try:
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._task = None

    async def ended(self) -> None:
        """Wait for what is under way, whatever comes of it."""
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Looked at: it is something else that is told.
