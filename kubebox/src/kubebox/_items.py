"""Items one by one, for many who take them: from a list, a generator or an async generator."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from typing import Final, Generic, TypeVar

from kubebox.errors import InvalidArgument

Item = TypeVar("Item")


class _End:
    """What no item is."""


END: Final = _End()


class Items(Generic[Item]):
    """What is taken one by one; nothing is asked for before somebody wants it.

    Args:
        items: A plain iterable, or an async one.

    Attributes:
        total: How many there are; `None` where that is not known before.

    Raises:
        InvalidArgument: It is neither.
    """

    def __init__(self, items: Iterable[Item] | AsyncIterable[Item]) -> None:
        self.total = len(items) if isinstance(items, Sized) else None
        self._source = _iterate(items)
        self._turn = asyncio.Lock()
        self._taken = 0
        self._over = False

    async def take(self) -> tuple[int, Item] | None:
        """The next one and its place, from 0 on; `None` after the last.

        Raises:
            Exception: Whatever the iterable raises; after that there are no more.
        """
        async with self._turn:  # an async generator serves one at a time
            if self._over:
                return None
            self._over = True  # unless there turns out to be another one
            item = await self._pull()
            if isinstance(item, _End):
                return None
            self._over = False
            index, self._taken = self._taken, self._taken + 1
            return index, item

    async def _pull(self) -> Item | _End:
        if isinstance(self._source, AsyncIterator):
            return await anext(self._source, END)
        return next(self._source, END)


def _iterate(items: Iterable[Item] | AsyncIterable[Item]) -> Iterator[Item] | AsyncIterator[Item]:
    if isinstance(items, AsyncIterable):
        return aiter(items)
    try:
        return iter(items)
    except TypeError:
        raise InvalidArgument(
            f"items: must be iterable, with or without async; not {type(items).__name__}"
        ) from None
