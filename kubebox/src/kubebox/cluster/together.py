"""Doing several things at once, where the first that fails ends the others and says why."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any


async def together(steps: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """Do them at once.

    Args:
        steps: What to do.

    Raises:
        Exception: What the first one that failed raised; the others are cancelled by then.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
