"""What an object of `kubebox.sync` has of the loop."""

import contextlib
import threading
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from kubebox.errors import KubeboxError, WrongEventLoop
from kubebox.sync._call import Undo
from kubebox.sync._runner import Farewell, Runner, borrow, give_back

T = TypeVar("T")


class Share:
    """A share in the loop; an object and all that it gives have one together.

    It holds the loop while a connection is open, and during each call. Once nobody can reach it any more, it lets go by itself.

    Args:
        farewell: Closes the connection where nobody did before the share is thrown away. It must not know the share.

    Attributes:
        farewell: As given.
    """

    def __init__(self, farewell: Farewell | None = None) -> None:
        self.farewell = farewell
        self._lock = threading.Lock()
        self._held: Runner | None = None
        self._finalizer: weakref.finalize[..., Share] | None = None

    def call(self, work: Coroutine[Any, Any, T], undo: Undo[T] | None = None) -> T:
        """Run a coroutine on the loop, and wait for it.

        Args:
            work: What runs.
            undo: Takes back what it gives where the caller was struck in that moment.

        Raises:
            WrongEventLoop: Waiting here for the loop would never end.
            NotConnected: The program ends.
        """
        try:
            runner = self._borrow()
        except KubeboxError:
            work.close()
            raise
        try:
            return runner.call(work, undo)
        finally:
            give_back(runner)

    def open(self, opening: AbstractAsyncContextManager[T]) -> T:
        """Open something, which is closed again where the caller was struck in the moment of its opening."""
        return self.call(opening.__aenter__(), lambda _: opening.__aexit__(None, None, None))

    def next(self, source: AsyncIterator[T]) -> T:
        """The next of what comes.

        Raises:
            StopIteration: There is no more.
        """
        try:
            return self.call(_next(source))
        except StopAsyncIteration:
            raise StopIteration from None

    def iterate(self, source: AsyncIterable[T]) -> Generator[T]:
        """What comes, one after the other.

        When a loop over it is left, Python tells asyncio, which closes the generator in its own time: whoever leaves may be the
        garbage collector, amid anything, and must not be kept waiting.
        """
        pieces = aiter(source)
        while True:
            try:
                piece = self.call(_next(pieces))
            except StopAsyncIteration:
                return
            yield piece

    @contextlib.contextmanager
    def hold(self) -> Generator[None]:
        """Hold the loop from now on, unless what is done in here fails."""
        runner = self._borrow()
        try:
            yield
        except BaseException:  # Ctrl-C too: what is not open needs no loop
            give_back(runner)
            raise
        with self._lock:
            unneeded = self._held is not None
            if not unneeded:
                self._held = runner
                if self.farewell is not None:
                    self._finalizer = weakref.finalize(self, runner.leave, self.farewell)
                    self._finalizer.atexit = False  # The loop ends then, and closes what is open.
        if unneeded:
            give_back(runner)

    @contextlib.contextmanager
    def ending(self) -> Generator[None]:
        """Let the loop go after what is done in here, whether or not it fails."""
        try:
            yield
        finally:
            with self._lock:
                held, self._held = self._held, None
                if self._finalizer is not None:
                    self._finalizer.detach()
            if held is not None:
                give_back(held)

    def _borrow(self) -> Runner:
        held = self._held
        if held is not None:
            held.check()
        runner = borrow()
        try:
            runner.check()
        except WrongEventLoop:
            give_back(runner)
            raise
        return runner


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
