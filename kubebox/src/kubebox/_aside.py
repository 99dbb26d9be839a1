"""What blocks, beside the event loop: reading and writing this process's own standard streams."""

import asyncio
import os
import queue
import select
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

from kubebox_protocol.limits import MAX_INPUT_BYTES

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2

T = TypeVar("T")


class Aside:
    """A thread that does one thing after the other.

    Nobody waits for it when the program ends: whatever it reads from may never say another word, and what it writes to may never
    be read. So it is no thread of an executor, which Python would join.
    """

    def __init__(self, name: str) -> None:
        self._asked: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=f"kubebox: {name}", daemon=True).start()

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Have something done, and wait for it. Whoever stops waiting cannot stop it."""
        future: Future[T] = Future()
        self._asked.put((future, partial(work, *arguments)))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread after what it does now."""
        self._asked.put(None)

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            future, work = asked
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # raised again where it is awaited
                future.set_exception(error)
            else:
                future.set_result(result)


def read_some(descriptor: int) -> bytes:
    """Wait for more, and read it; empty at the end."""
    while True:
        try:
            return os.read(descriptor, MAX_INPUT_BYTES)
        except BlockingIOError:  # who else has it open may have made it so
            select.select([descriptor], [], [])


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, as it is taken."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
