"""Questions that are answered when a command gets to it: when it has read its input, when it has run."""

import asyncio
from collections.abc import Callable
from typing import Final

from kubebox._transport.base import ANSWER_SECONDS, AnswerModel, Transport
from kubebox_protocol.base import Request
from kubebox_protocol.limits import MAX_TIMEOUT_SECONDS

PATIENT_SECONDS: Final = MAX_TIMEOUT_SECONDS + ANSWER_SECONDS
"""Seconds until an answer is given up: longer than any sandbox lives. That the server is gone is found out otherwise."""

MAX_PATIENT: Final = 64
"""Such questions of one client at once; more wait here. A connection has 96 at once, and the rest are for kills and signals,
which must get through when everything else waits."""


class Patience:
    """Asks, and waits for as long as it takes.

    Each of these questions may be repeated: the server tells by an offset or a number what it has already.

    Args:
        transport: The way to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._places = asyncio.Semaphore(MAX_PATIENT)

    async def ask(
        self,
        event: str,
        request: Request,
        answer: type[AnswerModel],
        *,
        before: Callable[[], None] | None = None,
    ) -> AnswerModel:
        """Send an event and wait for its answer; see `Transport.ask`."""
        async with self._places:
            return await self._transport.ask(
                event, request, answer, timeout=PATIENT_SECONDS, repeat=True, before=before
            )
