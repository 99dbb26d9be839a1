"""One step beside another: a piece is written, or read, while the one next to it is on its way over the network."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Result = TypeVar("Result")


class Meanwhile(Generic[Result]):
    """At most one thing under way. To be left as a context, which ends it where it is not waited for."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Result] | None = None

    def begin(self, work: Coroutine[Any, Any, Result]) -> None:
        """Begin something; what was begun before has been waited for."""
        self._task = asyncio.ensure_future(work)

    async def settled(self) -> Result | None:
        """Wait for what is under way, if anything is. It raises what that raises."""
        task, self._task = self._task, None
        return None if task is None else await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()  # Looked at: it is the body's error that is told.
