"""Work of a thread that is waited for to its end, even by who has been cancelled: what comes next may close what it uses."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from anyio import CancelScope, to_thread

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


async def finish(
    work: Callable[[Unpack[Arguments]], Result],
    *arguments: *Arguments,
    on_cancel: Callable[[], object] = lambda: None,
) -> Result:
    """Run `work(*arguments)` in a thread. anyio's own would not wait for it where a task is cancelled.

    Args:
        work: What to run.
        arguments: Its arguments.
        on_cancel: Called when whoever waits is cancelled, so that the work ends soon.
    """
    running = asyncio.ensure_future(to_thread.run_sync(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        with CancelScope(shield=True):
            await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # Looked at: nobody else does, and asyncio would complain.
        raise
