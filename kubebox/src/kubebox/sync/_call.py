"""One call from a thread into the loop: the thread waits, and runs what the loop asks of it meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

from kubebox.errors import NotConnected

T = TypeVar("T")
R = TypeVar("R")

Undo: TypeAlias = Callable[[T], Coroutine[Any, Any, object]]
"""Takes back what a call gave."""


class Call(Generic[T]):
    """A coroutine that runs on a loop, for a thread that waits.

    Whatever strikes the waiting thread (Ctrl-C, an exception of a callback) cancels the coroutine and waits until that has
    cleaned up, as where it is awaited. A second Ctrl-C ends that wait as well.

    Args:
        loop: Where it runs; another thread's.
        work: What runs.
        undo: Takes back what it gives where the thread was struck in that moment, so that nobody gets it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], undo: Undo[T] | None = None
    ) -> None:
        self._loop = loop
        self._work = work
        self._undo = undo
        self._task: asyncio.Task[None] | None = None
        self._running = False
        # What the thread is to run, and `None` when the work is done. It is written in C: a `Future` wakes its waiter through a
        # condition, which takes longer than all the rest of this.
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._values: list[T] = []
        self._error: BaseException | None = None

    def result(self) -> T:
        """Run it, and wait for its end.

        Raises:
            NotConnected: The program ends.
            BaseException: What it raised, or what struck the waiting thread.
        """
        try:
            self._loop.call_soon_threadsafe(self._start)
            while (wanted := self._inbox.get()) is not None:
                wanted()
        except BaseException:  # whatever it is, it goes on its way when the work has ended
            self._cancel()
            raise
        # Tasks that were begun in here remember this call for as long as they run: it must keep nothing of what it gave.
        self._undo = None
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # Its traceback leads here: a circle, that would keep what all these frames hold.
        return self._values.pop()

    async def ask(self, function: Callable[..., R], *arguments: object) -> R:
        """Have the waiting thread call a function, and wait for what that returns. For the loop.

        Where it raises, the thread has that exception, and this is cancelled.
        """
        answer: asyncio.Future[R] = self._loop.create_future()
        self._inbox.put(
            lambda: self._loop.call_soon_threadsafe(_set, answer, function(*arguments)),
        )
        return await answer

    def tell(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the waiting thread call a function, and wait for nothing. For the loop, and for threads that work for it."""
        self._inbox.put(lambda: function(*arguments))

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        self._running = True
        _current.set(self)
        try:
            self._values.append(await self._work)
        except asyncio.CancelledError as cause:
            self._error = NotConnected("the program ends, and its calls with it")
            self._error.__cause__ = cause
        except BaseException as error:  # the boundary of two threads: it is raised again in the other one
            self._error = error
        finally:
            self._running = False
            self._inbox.put(None)

    def _cancel(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._stop)
        except RuntimeError:  # The loop is over, and never saw the work.
            self._work.close()
            return
        while self._inbox.get() is not None:
            pass  # The caller is not there for that any more.
        if self._values and self._undo is not None:
            Call(self._loop, self._undo(self._values.pop())).result()
        self._error = None

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if not self._running:  # It has ended, or never began, and then it would not say so.
            self._work.close()
            self._inbox.put(None)


_current: ContextVar[Call[Any]] = ContextVar("kubebox_sync_call")


def current_call() -> Call[Any]:
    """The call that the running task works for, itself or as another one's."""
    return _current.get()


def _set(answer: "asyncio.Future[R]", value: R) -> None:
    if not answer.done():
        answer.set_result(value)
