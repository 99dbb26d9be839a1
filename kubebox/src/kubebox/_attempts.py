"""One item of `Sandbox.map`: a fresh sandbox for it, and another one where the place fails, until its outcome is known."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from kubebox import _arguments
from kubebox._creation import CREATE_SECONDS, CreateOptions, PodOptions, make
from kubebox._outcomes import Outcome
from kubebox._transience import is_transient
from kubebox.errors import KubeboxError

if TYPE_CHECKING:
    from kubebox.manager import Kubebox
    from kubebox.sandbox import Sandbox

Item = TypeVar("Item")
Value = TypeVar("Value")

FIRST_PAUSE_SECONDS: Final = 0.5
"""Before an item is tried for the second time; doubled before each further time."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""What it grows to: a node that comes takes about as long, and nobody wants to wait longer than needed."""


@dataclass(frozen=True)
class Task(Generic[Item, Value]):
    """What is done with each item.

    Attributes:
        cls: The class of its sandboxes.
        fn: What to do.
        options: For an item what its sandbox shall be.
        common: The same for all of them, where `options` says nothing else.
        retries: How often it is tried again.
    """

    cls: "type[Sandbox]"
    fn: "Callable[[Sandbox, Item], Awaitable[Value]]"
    options: Callable[[Item], CreateOptions] | None
    common: CreateOptions
    retries: int


async def attempt(
    task: Task[Item, Value],
    kubebox: "Kubebox",
    index: int,
    item: Item,
    *,
    starting: asyncio.Semaphore,
    retried: Callable[[], None],
) -> Outcome[Item, Value]:
    """Try an item until its outcome is known. Its sandboxes are gone by then.

    Args:
        task: What is done.
        kubebox: Who makes its sandboxes.
        index: The item's place.
        item: The item.
        starting: Held while a sandbox starts.
        retried: Called before each further attempt.
    """
    attempts = 0
    while True:
        attempts += 1
        try:
            value = await _once(task, kubebox, item, starting)
            return Outcome(item=item, index=index, value=value, attempts=attempts)
        except asyncio.CancelledError as error:
            if _is_asked_to_end():
                raise
            # Of something that the function waited for, and nobody's wish that this ends.
            return Outcome(item=item, index=index, error=error, attempts=attempts)
        except (
            Exception
        ) as error:  # The boundary to the user's function: whatever it raises is the item's outcome.
            if _is_asked_to_end():  # What failed then, such as a clean-up, is no reason to go on.
                raise asyncio.CancelledError from error
            if attempts > task.retries or not is_transient(error):
                return Outcome(item=item, index=index, error=error, attempts=attempts)
        retried()
        await asyncio.sleep(pause(attempts))


def pause(attempts: int) -> float:
    """Seconds until the next attempt; by chance, so that many who fail at once do not come back at once.

    Args:
        attempts: How many there were.
    """
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 16), LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - nothing secret


async def _once(
    task: Task[Item, Value], kubebox: "Kubebox", item: Item, starting: asyncio.Semaphore
) -> Value:
    given = CreateOptions(**task.common)
    if task.options is not None:
        given.update(task.options(item))
    variables = _arguments.variables(given.pop("env", None))
    timeout = _arguments.seconds("timeout", given.pop("timeout", CREATE_SECONDS))
    async with starting:
        sandbox = await make(task.cls, kubebox, variables, timeout, cast("PodOptions", given), shared=True)
    try:
        return await task.fn(sandbox, item)
    finally:
        # What the function said stands, whatever becomes of its sandbox; the end of all tries once more to end what is left.
        with contextlib.suppress(KubeboxError):
            await sandbox.kill()


def _is_asked_to_end() -> bool:
    own = asyncio.current_task()
    return own is not None and own.cancelling() > 0
