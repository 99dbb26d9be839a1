"""Closing what came from the workspace, away from the event loop.

The last close of a descriptor takes as long as whoever made it likes: a socket's, for as long as its SO_LINGER says; that
of a large file without a name, until its memory is free.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from queue import SimpleQueue

logger = logging.getLogger(__name__)

THREADS = 4
"""Closes that may take long at once, before what is closed afterwards has to wait."""

MAX_WAITING = 2048
"""Descriptors that wait to be closed: eight packets as full of them as the kernel allows."""

WAIT_SECONDS = 5.0
"""Seconds that somebody waits for a close; it goes on without them."""

_Task = tuple[int, Callable[[], None] | None]


class Closer:
    """Closes descriptors in threads of its own.

    Args:
        on_stuck: Called when too many wait, which is the fault of who sent them. They stay open until it ends:
            to close them here would block everybody.
    """

    def __init__(self, on_stuck: Callable[[], None] = lambda: None) -> None:
        self._on_stuck = on_stuck
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """Descriptors that wait."""
        return self._tasks.qsize()

    @property
    def stuck(self) -> bool:
        """Whether it takes no more."""
        return self.waiting >= MAX_WAITING

    def give(self, descriptors: Iterable[int], done: Callable[[], None] | None = None) -> None:
        """Close them soon. Never blocks.

        Args:
            descriptors: Nobody else's any more.
            done: Called from a thread for each that is closed.
        """
        left_open = 0
        for descriptor in descriptors:
            if self.stuck:
                left_open += 1
            else:
                self._tasks.put((descriptor, done))
        if not self._threads:
            self._start()
        if left_open:
            logger.warning(
                "%d descriptors of the workspace stay open: %d wait already", left_open, MAX_WAITING
            )
            self._on_stuck()

    def hang_up(self, connection: socket.socket) -> None:
        """End a connection now, and close it soon, with everything that was sent to it and not yet read."""
        with contextlib.suppress(OSError):  # The other side has gone before.
            connection.shutdown(socket.SHUT_RDWR)
        self.give([connection.detach()])

    async def close(self, descriptor: int) -> None:
        """Close it, and wait until that has happened."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def done() -> None:
            with contextlib.suppress(RuntimeError):  # The loop has ended meanwhile.
                loop.call_soon_threadsafe(closed.set)

        self.give([descriptor], done)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await closed.wait()

    @contextlib.asynccontextmanager
    async def closing(self, descriptor: int) -> AsyncGenerator[None]:
        """Close it after what is done with it, and wait until that has happened; where that failed, nobody waits."""
        try:
            yield
        except BaseException:  # Whatever went wrong, the descriptor is ours to close.
            self.give([descriptor])
            raise
        await self.close(descriptor)

    def end(self) -> None:
        """Close what waits, and no more. Does not wait for it."""
        for _ in self._threads:
            self._tasks.put(None)

    def _start(self) -> None:
        # Daemons: the program may end while they wait.
        self._threads = [
            threading.Thread(target=self._work, name=f"closer-{number}", daemon=True)
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            descriptor, done = task
            try:
                os.close(descriptor)
            except OSError as error:  # It is closed all the same, as Linux has it; what failed was to write.
                logger.info("a descriptor of the workspace closed with %s", error.strerror)
            if done is not None:
                done()
