"""The event loop of Kubebox's own: submissions run there, whatever loop the caller has, or none."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

from kubebox.errors import WrongEventLoop

T = TypeVar("T")

CLOSING_ROUNDS: Final = 3
"""Rounds of the loop until asyncio has closed the pipes of a process that has ended: it puts each step off to the next."""


class Background:
    """A thread with an event loop, started at first use.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str = "kubebox") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._seen_through: set[Future[Any]] = set()

    @property
    def started(self) -> bool:
        """Whether anything was submitted since the last stop, in this process: a fork has no thread but its own."""
        return self._loop is not None and self._process == os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is its thread: waiting here for what is to run here would never end."""
        return self._thread is threading.current_thread()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop, which runs from now on if it did not before.

        Raises:
            WrongEventLoop: It runs in the process that this one was forked from.
        """
        with self._lock:
            if self._loop is not None and not self.started:
                raise WrongEventLoop(
                    "this object's event loop stayed in the process that was forked from; make another object in this one"
                )
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._process = os.getpid()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine there, from any thread.

        Args:
            coroutine: What to run; it starts at once.

        Raises:
            WrongEventLoop: As `loop`.
        """
        try:
            loop = self.loop()
        except WrongEventLoop:
            coroutine.close()  # Python would complain that nobody awaited it.
            raise
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def see_through(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine there, and have `settle` wait for it.

        Args:
            coroutine: As for `submit`.
        """
        future = self.submit(coroutine)
        self._seen_through.add(future)
        future.add_done_callback(self._seen_through.discard)
        return future

    def settle(self, seconds: float) -> None:
        """Wait until what shall be seen through has ended, from any thread but its own.

        Args:
            seconds: To wait at most.
        """
        wait(self._seen_through.copy(), seconds)

    def stop(self) -> None:
        """End the thread. What still runs there is cancelled. Later submissions start another.

        From the thread itself it is told to end, and does that by itself.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            if thread is not threading.current_thread():
                thread.join()


async def join(future: "Future[T]", timeout: float | None = None) -> T:
    """Wait, in the caller's loop, for something submitted. Giving up leaves it running.

    Args:
        future: From `Background.submit`.
        timeout: Seconds; `None` to wait as long as it takes.

    Raises:
        TimeoutError: It took longer.
    """
    waiting = asyncio.wrap_future(future)
    # Whoever gives up no longer looks at the outcome; asyncio would complain of an exception that nobody
    # took.
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.wait_for(asyncio.shield(waiting), timeout)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_wind_up(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _wind_up(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(CLOSING_ROUNDS):
        await asyncio.sleep(0)
