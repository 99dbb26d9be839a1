"""The one owner of every task that the server starts by itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple, Unpack

logger = logging.getLogger(__name__)
Arguments = TypeVarTuple("Arguments")


class Tasks:
    """Starts tasks in the server's task group, each behind a boundary.

    One that fails is logged and takes nothing with it.

    Args:
        group: asyncio's own: every question of a client is a task, and anyio's groups take four times as long for one.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[Unpack[Arguments]], Awaitable[object]], *arguments: *Arguments) -> None:
        """Run `work(*arguments)` until it ends or the server does."""
        task = self._group.create_task(self._guard(work, arguments))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        """End them all. The group waits for that."""
        for task in self._running:
            task.cancel()

    async def _guard(
        self, work: Callable[[Unpack[Arguments]], Awaitable[object]], arguments: tuple[*Arguments]
    ) -> None:
        try:
            await work(*arguments)
        except Exception:  # The boundary of a task: one command's trouble must not end all others.
            logger.exception("a task of the server failed")
