"""Trying again: what may be repeated, after how long, and for how long."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from kubebox_cluster.errors import ApiUnreachable, Busy, ClusterError, ServerFailing, TooManyRequests

FIRST_SECONDS: Final = 3.0
"""Seconds for which a server is tried that has never answered: most often it is the wrong one, and somebody waits."""

KNOWN_SECONDS: Final = 45.0
"""Seconds for which one is tried that has answered before: an API server that restarts takes up to half a minute."""

SHORTEST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 5.0
"""Bounds of a pause. Each is twice the one before, and anything from half of that to all of it, so that not everybody comes
back at once."""

PASSING: Final = frozenset(
    {
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Failures of a server that may be over in a moment."""

Found = TypeVar("Found")


class Backoff:
    """Pauses between attempts, each longer than the one before.

    Args:
        seconds: For how long to try; `None` for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._pause = SHORTEST_SECONDS

    async def wait(self, error: ClusterError) -> None:
        """Wait until it is worth another try.

        Args:
            error: What went wrong; it may say how long to wait.

        Raises:
            ClusterError: The same, when there is no time left for another try.
        """
        seconds = self._pause * random.uniform(0.5, 1)  # noqa: S311  # nobody gains by guessing it
        self._pause = min(2 * self._pause, LONGEST_SECONDS)
        if isinstance(error, Busy) and error.retry_after is not None:
            seconds += error.retry_after
        if self._until is not None and time.monotonic() + seconds > self._until:
            raise error
        await asyncio.sleep(seconds)


def is_passing(error: ClusterError) -> bool:
    """Whether what went wrong may be over in a moment."""
    if isinstance(error, ApiUnreachable):
        return error.cause in ("refused", "unresolved", "timeout", "lost", "proxy")
    return isinstance(error, TooManyRequests) or (
        isinstance(error, ServerFailing) and error.status in PASSING
    )


def is_undone(error: ClusterError) -> bool:
    """Whether the request has had no effect for sure."""
    if isinstance(error, ApiUnreachable):
        return not error.sent
    return isinstance(error, TooManyRequests)


class Patience:
    """Makes requests until they succeed, within bounds. It learns whether there is a server at all."""

    def __init__(self) -> None:
        self._answered = False

    async def persist(self, attempt: Callable[[], Awaitable[Found]], *, repeatable: bool) -> Found:
        """Make a request, again where that can help and do no harm.

        Args:
            attempt: Makes it once.
            repeatable: Whether it changes nothing, or nothing more when it is made twice.

        Raises:
            ClusterError: What went wrong the last time.
        """
        backoff = Backoff(KNOWN_SECONDS if self._answered else FIRST_SECONDS)
        while True:
            try:
                found = await attempt()
            except ClusterError as error:
                known = self._answered or not isinstance(error, ApiUnreachable)
                self._answered = known
                hopeless = not known and isinstance(error, ApiUnreachable) and error.cause == "unresolved"
                if hopeless or not is_passing(error) or not (repeatable or is_undone(error)):
                    raise
                await backoff.wait(error)
            else:
                self._answered = True
                return found
