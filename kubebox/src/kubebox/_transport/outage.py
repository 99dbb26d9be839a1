"""The time from a lost connection to the next good one: when to try again, how long at most, and when to give up."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from kubebox.errors import AnswerTimeout, KubeboxError

RECONNECT_SECONDS: Final = 60.0
"""Seconds from a loss until whoever waits is told of it. A server, or what lies before it, is back in less after a
restart."""

LEAST_ATTEMPT_SECONDS: Final = 1.0
"""Seconds that an attempt may always take, however little time is left, or was ever given. It takes seven round trips,
with TLS, to see who answers and to open the connection: so many fit, to the other side of an ocean."""

FIRST_RETRY_SECONDS: Final = 0.1
"""Seconds at most between the first attempt and the second: a server that is just starting is there in tenths."""

LAST_RETRY_SECONDS: Final = 2.0
"""Seconds at most between later attempts: mild on a server that takes a minute, and on a thousand clients of it."""

MOST_DOUBLINGS: Final = 16
"""Doublings of the first of these times, after which the other one holds anyway; the power stays a small number."""

STEADY_SECONDS: Final = 5.0
"""Seconds that a connection must live to count as good when it brought neither output nor an answer. One that is lost
sooner each time is no way to go on: its attempts slow down and come to an end like those that fail."""


class Outage:
    """The attempts of one outage.

    Args:
        seconds: From the loss to the end of the attempts; 0 for one attempt.
        least: Seconds that each attempt may take, even beyond that end.

    Attributes:
        seconds: As given.
        failure: How the last one failed after which there was no time for another.
    """

    def __init__(self, seconds: float, least: float = LEAST_ATTEMPT_SECONDS) -> None:
        self.seconds = seconds
        self.failure: KubeboxError | None = None
        self._least = least
        self._attempts = 0
        self._until = 0.0

    @property
    def left(self) -> float:
        """Seconds until it is time to give up."""
        return max(0.0, self._until - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it is time to give up."""
        return self.left == 0

    def bound(self, *, late: bool) -> float:
        """Seconds that an attempt may take.

        Args:
            late: Whether it is for somebody who came after the end, and has not waited yet.
        """
        return max(self.seconds if late else self.left, self._least)

    def begin(self) -> "Outage":
        """A good connection was lost just now."""
        self._attempts = 0
        self._until = time.monotonic() + self.seconds
        return self

    def go_on(self) -> None:
        """A connection was lost that was no good; the outage goes on, unless it is the first thing to happen."""
        if self._attempts == 0:
            self.begin()

    def delay(self) -> float:
        """Seconds to wait before the next attempt.

        None before the first. Then a random part of a time that doubles: those who lost the same server must not all come back at
        the same moment. None where the outage is over: whoever calls then wants to know at once.
        """
        doublings, self._attempts = min(self._attempts, MOST_DOUBLINGS) - 1, self._attempts + 1
        if doublings < 0:
            return 0.0
        longest = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**doublings, self.left)
        return random.uniform(0, longest)  # noqa: S311 - it spreads load, and keeps no secret


@asynccontextmanager
async def bounded(seconds: float, url: str) -> AsyncGenerator[None]:
    """End an attempt that takes longer than so many seconds.

    Raises:
        AnswerTimeout: It did.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if isinstance(error, KubeboxError):
            raise
        raise AnswerTimeout(f"{url}: nothing answered within {seconds:.1f} s") from None
