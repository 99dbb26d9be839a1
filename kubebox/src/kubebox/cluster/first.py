"""Waiting for the first of two things."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def first(wanted: Coroutine[Any, Any, None], otherwise: Coroutine[Any, Any, T]) -> T | None:
    """Wait for one thing, unless another comes before it.

    Args:
        wanted: What is hoped for.
        otherwise: What ends the hope.

    Returns:
        Nothing where the first came, else what the second gave.

    Raises:
        Exception: What the one that came raised.
    """
    hoped, other = asyncio.ensure_future(wanted), asyncio.ensure_future(otherwise)
    try:
        await asyncio.wait({hoped, other}, return_when=asyncio.FIRST_COMPLETED)
        if hoped.done():
            await hoped
            return None
        return await other
    finally:
        for task in (hoped, other):
            task.cancel()
        await asyncio.wait({hoped, other})
