"""The commands of one shell: one after the other, each numbered, so that none runs twice."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias
from uuid import UUID

from kubebox._patience import Patience
from kubebox.errors import AnswerInvalid, ConnectionFailed, ExecutionConflict, KubeboxError, ShellBusy
from kubebox_protocol import events
from kubebox_protocol.shells import ShellCommand, ShellResult

NEVER: Final = 2**53 - 1
"""A number that no shell's command ever has. The server refuses it, runs nothing, and says where the shell stands."""

AT_ONCE_SECONDS: Final = 0.001
"""The timeout with which a command that runs is asked for again to have it ended."""

CleanUp: TypeAlias = Callable[[Coroutine[Any, Any, None]], Awaitable[None]]
"""Does what must be done although the caller was cancelled."""


class ShellTurns:
    """Runs commands in a shell, in turn.

    A command whose answer was lost is asked for again under its number, which runs it no second time. Whoever was cancelled, or
    lost the connection for good, has left one whose end is not known; whoever comes next finds out what became of it.

    Args:
        patience: Asks, and waits as long as a command takes.
        clean_up: Ends what a caller who was cancelled has left.
        session_id: The shell's session.
        execution_id: The shell.
        number: The next command's; `None` where others may have run some.
    """

    def __init__(
        self,
        patience: Patience,
        clean_up: CleanUp,
        session_id: str,
        execution_id: UUID,
        number: int | None,
    ) -> None:
        self._patience = patience
        self._clean_up = clean_up
        self._session_id = session_id
        self._execution_id = execution_id
        self._number = number
        self._left: ShellCommand | None = None  # Sent, and not answered.
        self._turn = asyncio.Lock()

    async def run(self, command: str, timeout: float | None) -> ShellResult:
        """Run a command, when those before it have ended. A caller that is cancelled leaves nothing running.

        Raises:
            ExecutionEnded: The shell has ended.
            ShellBusy: Another client runs a command in it.
            ExecutionConflict: Another client has run one meanwhile; this one was not run.
        """
        async with self._turn:
            number = await self._settled() if self._number is None or self._left else self._number
            request = self._request(number, command, timeout)
            try:
                return await self._ask(request)
            except asyncio.CancelledError:
                if self._left is request:
                    self._left = self._request(number, command, AT_ONCE_SECONDS)
                    await self._clean_up(self._end(self._left))
                raise

    async def _ask(self, request: ShellCommand) -> ShellResult:
        def sent() -> None:
            self._left = request

        try:
            result = await self._send(request, sent)
        except ConnectionFailed as error:  # It may run.
            error.data.setdefault("process_id", str(self._execution_id))
            raise
        except KubeboxError as refused:  # It does not.
            self._left = None
            if isinstance(refused, ExecutionConflict):
                self._number = None
            raise
        self._left, self._number = None, request.number + 1
        return result

    async def _settled(self) -> int:
        """The next command's number, when the one that was left has ended."""
        number, runs = await self._look()
        if not runs:
            self._left = None
            return number
        if self._left is None or self._left.number != number:
            raise ShellBusy("another client runs a command in this shell", number=number)
        await self._ask(self._left)
        return number + 1

    async def _end(self, left: ShellCommand) -> None:
        # It keeps nothing in mind, since the next caller may come at the same time: that one looks for itself. And it asks first:
        # what never came to the server must not be run now.
        with contextlib.suppress(KubeboxError):
            if await self._look() == (left.number, True):
                await self._send(left)

    async def _look(self) -> tuple[int, bool]:
        """The number of the command that runs, or that is next, and whether it runs."""
        try:
            await self._send(self._request(NEVER, ":", None))
        except ShellBusy as busy:
            return _number(busy.data.get("number")), True
        except ExecutionConflict as refused:
            return _number(refused.data.get("next")), False
        raise AnswerInvalid("the server ran a command whose number was not due")

    async def _send(self, request: ShellCommand, sent: Callable[[], None] | None = None) -> ShellResult:
        return await self._patience.ask(events.SHELL_RUN, request, ShellResult, before=sent)

    def _request(self, number: int, command: str, timeout: float | None) -> ShellCommand:
        return ShellCommand(
            session_id=self._session_id,
            execution_id=self._execution_id,
            number=number,
            command=command,
            timeout=timeout,
        )


def _number(value: object) -> int:
    if isinstance(value, int) and 0 < value < NEVER:
        return value
    raise AnswerInvalid("the server does not say where the shell's commands stand")
