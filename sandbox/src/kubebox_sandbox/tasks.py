"""The one owner of every task that the server starts by itself."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple, Unpack

from anyio.abc import TaskGroup

logger = logging.getLogger(__name__)
Arguments = TypeVarTuple("Arguments")


class Tasks:
    """Starts tasks in the server's task group, each behind a boundary.

    One that fails is logged and takes nothing with it.
    """

    def __init__(self, group: TaskGroup) -> None:
        self._group = group

    def start(self, work: Callable[[Unpack[Arguments]], Awaitable[object]], *arguments: *Arguments) -> None:
        """Run `work(*arguments)` until it ends or the server does."""
        self._group.start_soon(self._guard, work, arguments)

    async def _guard(
        self, work: Callable[[Unpack[Arguments]], Awaitable[object]], arguments: tuple[*Arguments]
    ) -> None:
        try:
            await work(*arguments)
        except Exception:  # The boundary of a task: one command's trouble must not end all others.
            logger.exception("a task of the server failed")
