"""The supervisor's event loop: descriptors, deadlines. Importing asyncio takes longer than all the rest."""

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Final

Receive = Callable[[bytes], None]
"""Takes what was read."""

CHUNK_BYTES: Final = 65536
"""Bytes of one read; the size of a pipe."""


class Loop:
    """Calls back when descriptors can be read and when times have come, until it is stopped."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._stopped = False

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call back whenever a descriptor can be read, or has reached its end."""
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no longer, and close it."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(descriptor)
        os.close(descriptor)

    def read(self, descriptor: int, receive: Callable[[bytes], None]) -> None:
        """Hand on what comes from a descriptor; at its end, empty bytes, once, and it is closed."""
        os.set_blocking(descriptor, False)

        def readable() -> None:
            try:
                data = os.read(descriptor, CHUNK_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.forget(descriptor)
            receive(data)

        self.watch(descriptor, readable)

    def when_ended(self, process: int, callback: Callable[[], None]) -> None:
        """Call back when a process has ended. It is not reaped."""
        descriptor = os.pidfd_open(process)

        def ended() -> None:
            self.forget(descriptor)
            callback()

        self.watch(descriptor, ended)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after a time."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), callback))

    def on_signal(self, number: signal.Signals, callback: Callable[[], None]) -> None:
        """Call back after a signal, from the loop."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(number, lambda _number, _frame: None)
        self.read(reader, lambda _data: callback())

    def stop(self) -> None:
        """Have `run` return."""
        self._stopped = True

    def run(self) -> None:
        """Call back until stopped."""
        while not self._stopped:
            wait = max(self._timers[0][0] - time.monotonic(), 0) if self._timers else None
            for key, _events in self._selector.select(wait):
                # An earlier callback of this round may have closed it.
                if not self._stopped and key.fd in self._selector.get_map():
                    key.data()
            while not self._stopped and self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()
