"""What was asked of the workspace and is not answered yet, and what becomes of an answer that nobody waits for any more."""

import asyncio
from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, cast

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.workspace.answers import Answer, Pending, settle
from kubebox_sandbox.workspace.messages import Misbehaved

MAX_ABANDONED: Final = 10_000
"""Requests whose answer nobody waits for any more. More, and the workspace does not answer at all."""


class Questions:
    """Requests by their numbers.

    Args:
        on_silence: Called when too many were never answered.
        on_unwanted: Called with the ticket of a new file that nobody waits for any more.
    """

    def __init__(self, on_silence: Callable[[], None], on_unwanted: Callable[[int], None]) -> None:
        self._on_silence = on_silence
        self._on_unwanted = on_unwanted
        self._pending: dict[int, Pending] = {}
        self._abandoned: dict[int, str] = {}
        self._next = 1

    def add(
        self, operation: str, expected: int, counted_by: str | None, deadline: float
    ) -> tuple[int, Future[Answer]]:
        """Note a request, and give it a number. See `Workspace.ask`."""
        loop = asyncio.get_running_loop()
        number, self._next = self._next, self._next + 1
        answer: Future[Answer] = loop.create_future()
        timer = loop.call_later(deadline, self._expire, number)
        self._pending[number] = Pending(operation, answer, expected, counted_by, timer)
        return number, answer

    def withdraw(self, number: int) -> None:
        """It was not sent; or the line broke meanwhile, and it is withdrawn already."""
        pending = self._pending.pop(number, None)
        if pending is not None:
            pending.timer.cancel()

    def fail(self, refused: Callable[[], Refused]) -> None:
        """The line is broken: none is answered any more."""
        pending, self._pending = self._pending, {}
        self._abandoned.clear()
        for waiting in pending.values():
            waiting.timer.cancel()
            if not waiting.answer.done():
                waiting.answer.set_exception(refused())

    def take(self, message: dict[str, Any], descriptors: list[int]) -> bool:
        """Give an answer to whoever asked, and say whether its descriptors are theirs now.

        Raises:
            Misbehaved: Nothing was asked that it could answer.
        """
        number = message.get("id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise Misbehaved("an answer has no number")
        if number in self._abandoned:
            self.undo(self._abandoned.pop(number), message.get("ok"))
            return False
        pending = self._pending.pop(number, None)
        if pending is None:
            raise Misbehaved("an answer to nothing that was asked")
        pending.timer.cancel()
        taken = settle(pending, message, descriptors)
        if not taken:
            self.undo(pending.operation, message.get("ok"))
        return taken

    def undo(self, operation: str, fields: Any) -> None:
        """A new file stays, with two of the workspace's descriptors, until somebody puts it in place or has it removed."""
        if operation == "create" and isinstance(fields, dict):
            ticket = cast("dict[str, Any]", fields).get("ticket")
            if type(ticket) is int:
                self._on_unwanted(ticket)

    def _expire(self, number: int) -> None:
        pending = self._pending.pop(number)
        self._abandoned[number] = pending.operation
        if not pending.answer.done():
            why = f"the workspace did not answer `{pending.operation}` in time"
            pending.answer.set_exception(Refused(ErrorCode.WORKSPACE_UNAVAILABLE, why))
        if len(self._abandoned) > MAX_ABANDONED:
            self._on_silence()
