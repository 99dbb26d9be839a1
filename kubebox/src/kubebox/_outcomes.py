"""What `Sandbox.map` gives: an outcome for each item, and counts on the way."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar, cast

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Item, Value]):
    """What became of one item.

    Attributes:
        item: The item.
        index: Its place among the items, from 0 on.
        value: What the function returned; `None` where it failed.
        error: What it raised, or why there was no sandbox for it; `None` where it did not fail.
        attempts: How often it was tried; more than once where a sandbox could not be had, or was lost.
    """

    item: Item
    index: int
    value: Value | None = None
    error: BaseException | None = None
    attempts: int

    def check(self) -> Value:
        """The value; where there is none, the error is raised."""
        if self.error is not None:
            raise self.error
        return cast("Value", self.value)


@dataclass(frozen=True, kw_only=True)
class MapProgress:
    """How far a `Sandbox.map` has come.

    Attributes:
        total: How many items there are; `None` where that is not known before.
        started: Items that were begun.
        done: Items that have a value.
        failed: Items that have an error.
        retried: How often an item was tried again.
    """

    total: int | None = None
    started: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0

    @property
    def finished(self) -> int:
        """Items that are through, one way or the other."""
        return self.done + self.failed


OnProgress: TypeAlias = Callable[[MapProgress], object]
"""Is told of each change; must not block."""


class Tally:
    """Counts, and tells.

    Args:
        total: How many items there are, where that is known.
        tell: Is told of each change.
    """

    def __init__(self, total: int | None, tell: OnProgress | None) -> None:
        self._now = MapProgress(total=total)
        self._tell = tell

    def started(self) -> None:
        """An item was begun."""
        self._set(replace(self._now, started=self._now.started + 1))

    def retried(self) -> None:
        """An item is tried again."""
        self._set(replace(self._now, retried=self._now.retried + 1))

    def finished(self, *, failed: bool) -> None:
        """An item is through."""
        if failed:
            self._set(replace(self._now, failed=self._now.failed + 1))
        else:
            self._set(replace(self._now, done=self._now.done + 1))

    def _set(self, progress: MapProgress) -> None:
        self._now = progress
        if self._tell is not None:
            self._tell(progress)
