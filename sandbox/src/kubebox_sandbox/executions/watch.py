"""Watching the pipes of all commands through one epoll.

The loop watches the epoll alone. To have it watch each pipe would cost ten system calls and a handle of the loop for each,
a tenth of what a quick command costs.
"""

import asyncio
import select
from collections.abc import Callable

EVENTS_A_TURN = 64
"""Pipes that are looked at before the loop's other work gets its turn."""


class Watch:
    """Calls back when pipes are ready."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._callbacks: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}
        self._loop.add_reader(self._epoll.fileno(), self._ready)

    def readable(
        self, descriptor: int, callback: Callable[[], None], on_end: Callable[[], None] | None = None
    ) -> None:
        """Call whenever there is something to read, the end of file included.

        Args:
            descriptor: A pipe's end.
            callback: Called.
            on_end: Called in its place where nothing is left to read and nobody can write any more.
        """
        self._register(descriptor, select.EPOLLIN, callback, on_end or callback)

    def writable(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call whenever there is room, or nobody who reads any more."""
        self._register(descriptor, select.EPOLLOUT, callback, callback)

    def leave(self, descriptor: int) -> None:
        """Stop watching. Must come before the descriptor is closed: the pipe may stay open elsewhere, and tell on."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Stop watching everything."""
        self._loop.remove_reader(self._epoll.fileno())
        self._callbacks.clear()
        self._epoll.close()

    def _register(
        self, descriptor: int, event: int, callback: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        if descriptor not in self._callbacks:
            self._epoll.register(descriptor, event)
        self._callbacks[descriptor] = callback, on_end

    def _ready(self) -> None:
        for descriptor, event in self._epoll.poll(0, EVENTS_A_TURN):
            callbacks = self._callbacks.get(descriptor)
            if callbacks is not None:  # One before it in this turn may have stopped it.
                callbacks[event == select.EPOLLHUP]()
