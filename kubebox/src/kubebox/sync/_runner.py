"""The event loop beneath `kubebox.sync`: one for the whole program, while anything uses it."""

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias, TypeVar

from kubebox._background import Background
from kubebox.errors import KubeboxError, NotConnected, WrongEventLoop
from kubebox.sync._call import Call, Undo

T = TypeVar("T")

THREAD_NAME: Final = "kubebox-sync"

Farewell: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
"""Closes what is open on the loop."""


class Runner:
    """A loop in a thread of its own. It counts what uses it: connections that are open, and calls that are under way.

    All share one, since connections are idle most of the time: a hundred sandboxes need no hundred threads. With its last user
    the thread ends; who comes later gets another runner.
    """

    def __init__(self) -> None:
        self._background = Background(THREAD_NAME)
        self._loop = self._background.loop()
        self._process = os.getpid()
        self._farewells: set[asyncio.Task[None]] = set()
        self.users = 0

    def call(self, work: Coroutine[Any, Any, T], undo: Undo[T] | None = None) -> T:
        """Run a coroutine there, and wait for it."""
        return Call(self._loop, work, undo).result()

    def check(self) -> None:
        """Refuse to wait where that would never end.

        Raises:
            WrongEventLoop: This is the loop's own thread, or another process than the loop's.
        """
        if self._background.is_here:
            raise WrongEventLoop(
                "kubebox.sync was called on the thread of its own event loop, where it would wait for itself; "
                "call it from another thread"
            )
        if self._process != os.getpid():
            raise WrongEventLoop(
                "this object's event loop stayed in the process that was forked from; make another object in this one"
            )

    def leave(self, farewell: Farewell) -> None:
        """Stop using it, from wherever that must not wait: the garbage collector calls from any thread, amid anything.

        Args:
            farewell: Is run there before.
        """
        if self._process == os.getpid():
            with contextlib.suppress(RuntimeError):  # The loop is over, and what was open with it.
                self._loop.call_soon_threadsafe(self._begin, farewell)

    def stop(self) -> None:
        """End the loop; what still runs there is cancelled."""
        if self._process == os.getpid():
            self._background.stop()

    def _begin(self, farewell: Farewell) -> None:
        task = self._loop.create_task(self._part(farewell))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _part(self, farewell: Farewell) -> None:
        try:
            with contextlib.suppress(KubeboxError):  # Nobody is left to be told.
                await farewell()
        finally:
            give_back(self)


_lock = threading.RLock()  # The garbage collector may run a `__del__` amid all this, which calls again.
_runner: Runner | None = None
_ending = False


def borrow() -> Runner:
    """Use the loop, which begins where nobody used it before; `give_back` must follow.

    Raises:
        NotConnected: The program ends.
    """
    global _runner
    counted: Runner | None = None
    try:
        with _lock:
            if _ending:
                raise NotConnected("the program ends: nothing new can be asked")
            if _runner is None:
                _runner = Runner()
            _runner.users += 1
            counted = _runner
        return counted
    except BaseException:  # Ctrl-C, in the moment after
        if counted is not None:
            give_back(counted)
        raise


def give_back(runner: Runner) -> None:
    """Stop using it. The last one to do so waits until its thread has ended."""
    global _runner
    unused = False
    try:
        with _lock:
            runner.users -= 1
            unused = runner.users == 0
            if unused and runner is _runner:
                _runner = None
    finally:  # Ctrl-C may come in between
        if unused:
            runner.stop()


def _end() -> None:
    global _ending
    with _lock:
        _ending = True
        runner = _runner
    if runner is not None:
        runner.stop()


def _forget() -> None:
    # Another thread may have held the lock when the process was forked, and is not there to release it.
    global _lock, _runner
    _lock, _runner = threading.RLock(), None


# weakref ends at the program's end what is left by then, Kubebox's pods too, and has that registered with its first finalizer.
# What is registered later comes earlier: connections end before the sandboxes that they lead to.
weakref.finalize(Runner, int).detach()
atexit.register(_end)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget)
