"""`Sandbox.map`: a fresh sandbox for each item, so many at once, and their outcomes as they come."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from kubebox._attempts import Task, attempt
from kubebox._creation import CreateOptions
from kubebox._items import Items
from kubebox._outcomes import OnProgress, Outcome, Tally
from kubebox._where import LOCAL, choose_where, is_url
from kubebox.errors import InvalidArgument, NotSupported

if TYPE_CHECKING:
    from kubebox.manager import Kubebox
    from kubebox.sandbox import Sandbox

Item = TypeVar("Item")
Value = TypeVar("Value")

STARTS_PER_PROCESSOR: Final = 4
"""Local sandboxes that start at the same time, for each processor of this machine: more would only make each other late."""

_log = logging.getLogger("kubebox")


class SandboxMap(Generic[Item, Value]):
    """Outcomes as they come: `async for` gives them, and `async with` makes sure that nothing is left behind it.

    Args:
        outcomes: Gives them.
    """

    def __init__(self, outcomes: AsyncGenerator[Outcome[Item, Value]]) -> None:
        self._outcomes = outcomes

    def __repr__(self) -> str:
        return "<SandboxMap: `async for outcome in …`>"

    def __aiter__(self) -> AsyncIterator[Outcome[Item, Value]]:
        # The generator itself: who leaves the loop drops it, and asyncio then closes it.
        return self._outcomes

    async def __anext__(self) -> Outcome[Item, Value]:
        return await anext(self._outcomes)

    async def aclose(self) -> None:
        """End everything, and wait until no sandbox is left. Again does nothing."""
        await self._outcomes.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def map_items(
    cls: "type[Sandbox]",
    fn: "Callable[[Sandbox, Item], Awaitable[Value]]",
    items: Iterable[Item] | AsyncIterable[Item],
    *,
    concurrency: int,
    retries: int,
    options: Callable[[Item], CreateOptions] | None,
    on_progress: OnProgress | None,
    where: str | None,
    private_key: str | Path | None,
    common: CreateOptions,
) -> SandboxMap[Item, Value]:
    """See `Sandbox.map`."""
    task = Task(cls, fn, options, common, _count("retries", retries, least=0))
    at_once = _count("concurrency", concurrency, least=1)
    return SandboxMap(_outcomes(task, items, at_once, on_progress, where, private_key))


async def _outcomes(
    task: Task[Item, Value],
    items: Iterable[Item] | AsyncIterable[Item],
    concurrency: int,
    on_progress: OnProgress | None,
    where: str | None,
    private_key: str | Path | None,
) -> AsyncGenerator[Outcome[Item, Value]]:
    crew = _Crew(task, Items(items), concurrency, on_progress)
    # One task owns all others. Held by a task group here, they would belong to whoever happens to read.
    working = asyncio.create_task(crew.work(where, private_key), name="kubebox: map")
    read_to_end = False
    try:
        while (outcome := await crew.next()) is not None:
            yield outcome
        read_to_end = True
        await working
    finally:
        working.cancel()
        await asyncio.wait({working})
        error = None if working.cancelled() else working.exception()
        if error is not None and not read_to_end:  # Nobody waits for it any more.
            _log.warning("Sandbox.map, which was left early, failed: %s", error)


class _Crew(Generic[Item, Value]):
    """Those who work, each on one item at a time.

    Args:
        task: What is done with each.
        items: Where they come from.
        concurrency: How many work.
        on_progress: Is told of each change.
    """

    def __init__(
        self,
        task: Task[Item, Value],
        items: Items[Item],
        concurrency: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._task = task
        self._items = items
        self._concurrency = concurrency
        self._tally = Tally(items.total, on_progress)
        self._outcomes: asyncio.Queue[Outcome[Item, Value] | None] = asyncio.Queue()
        # What works and what nobody has read yet: a slow reader stops the work, not the machine.
        self._room = asyncio.Semaphore(2 * concurrency)
        self._starting = asyncio.Semaphore(concurrency)

    async def next(self) -> Outcome[Item, Value] | None:
        """The next outcome; `None` after the last, or when the work has failed."""
        outcome = await self._outcomes.get()
        self._room.release()
        return outcome

    async def work(self, where: str | None, private_key: str | Path | None) -> None:
        """Do it all, and leave no sandbox.

        Args:
            where: As for `Sandbox.create`.
            private_key: The same.

        Raises:
            Exception: What the items or the counting raise, or why there is no such place.
        """
        try:
            kubebox = await asyncio.to_thread(_open, where, private_key)
            if kubebox.where == LOCAL:
                starts = STARTS_PER_PROCESSOR * (os.cpu_count() or 1)
                self._starting = asyncio.Semaphore(min(self._concurrency, starts))
            try:
                await self._work_together(kubebox)
            finally:
                # On a thread: it goes on even where somebody is in a hurry, and cancels again.
                await asyncio.to_thread(kubebox.destroy_all)
        finally:
            self._outcomes.put_nowait(None)

    async def _work_together(self, kubebox: "Kubebox") -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._concurrency):
                    group.create_task(self._work_on(kubebox), name=f"kubebox: map, worker {number}")
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _work_on(self, kubebox: "Kubebox") -> None:
        while True:
            await self._room.acquire()
            taken = await self._items.take()
            if taken is None:
                self._room.release()
                return
            self._tally.started()
            outcome = await attempt(
                self._task, kubebox, *taken, starting=self._starting, retried=self._tally.retried
            )
            self._tally.finished(failed=outcome.error is not None)
            self._outcomes.put_nowait(outcome)


def _open(where: str | None, private_key: str | Path | None) -> "Kubebox":
    from kubebox.manager import Kubebox

    chosen = choose_where(where)
    if is_url(chosen):
        raise NotSupported(
            f"{chosen} is one sandbox, and Sandbox.map() makes a fresh one for each item: "
            'give it where="local", or a cluster',
            option="where",
        )
    return Kubebox(chosen, private_key=private_key)


def _count(name: str, value: int, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        raise InvalidArgument(f"{name}: must be a whole number, at least {least}, not {value!r}")
    return value
