"""Running a command's coroutine: what else goes on meanwhile, and what signals do to it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from kubebox._exit_codes import SIGNALLED

T = TypeVar("T")

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a program to end. Their default would leave behind what was made for a command."""


def attend(work: Coroutine[Any, Any, int | None]) -> int:
    """Run a command to its end and give its exit code; SIGTERM and SIGHUP cancel it, as SIGINT does."""
    received: list[int] = []

    async def attended() -> int | None:
        task = asyncio.current_task()

        def end(number: int) -> None:
            received.append(number)
            if task is not None:
                task.cancel()

        with on_signals(end, *ENDING):
            return await work

    try:
        return asyncio.run(attended()) or 0
    except asyncio.CancelledError:
        if not received:
            raise
        return SIGNALLED + received[0]


@contextmanager
def on_signals(call: Callable[[int], None], *numbers: int) -> Generator[None]:
    """Have the running loop call this with the number of each of these signals; those that are ignored stay so."""
    loop, before = asyncio.get_running_loop(), dict[int, Any]()
    for number in numbers:
        if (handler := signal.getsignal(number)) != signal.SIG_IGN:
            try:
                loop.add_signal_handler(number, call, number)
            except NotImplementedError:  # Windows: there they do what they always do
                continue
            before[number] = handler
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def with_beside(main: Coroutine[Any, Any, T], *others: Coroutine[Any, Any, None]) -> T:
    """Do one thing while others go on beside it; they end with it.

    Raises:
        Exception: What any of them raised; then all of them end.
    """
    task = asyncio.ensure_future(main)
    beside = {asyncio.ensure_future(other) for other in others}
    pending: set[asyncio.Future[Any]] = {task, *beside}
    try:
        while not task.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        return task.result()
    finally:
        for one in (task, *beside):
            one.cancel()
        await asyncio.wait({task, *beside})
        for one in (task, *beside):  # looked at, or asyncio would complain that nobody did
            _ = one.cancelled() or one.exception()
