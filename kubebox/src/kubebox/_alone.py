"""Work that may be cancelled, in a task of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from anyio import CancelScope

T = TypeVar("T")


async def alone(work: Coroutine[Any, Any, T]) -> T:
    """Do something; where the caller is cancelled, cancel it, and wait until it has cleaned up.

    anyio's cancellation strikes at each await anew, so that nothing which takes a moment could be undone. A task of asyncio's
    own is cancelled once.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            with CancelScope(shield=True):
                await asyncio.wait({task})
    return task.result()
