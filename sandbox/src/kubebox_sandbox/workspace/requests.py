"""Requests to the workspace and its answers, each with a deadline.

A workspace that is silent hangs nobody.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.settings import RETURN_SECONDS
from kubebox_sandbox.workspace.acquaintance import Acquaintance
from kubebox_sandbox.workspace.answers import Answer, expect, look_at, parse, read_exited
from kubebox_sandbox.workspace.closer import Closer
from kubebox_sandbox.workspace.descriptors import close_all, sealed_memfd
from kubebox_sandbox.workspace.line import MAX_PACKET_BYTES, Line
from kubebox_sandbox.workspace.messages import Exited, Hello
from kubebox_sandbox.workspace.questions import Questions

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 15.0
"""Seconds that an operation may take where it says nothing else: long for a path, short for a person."""

ARRIVAL_SECONDS = 2.0
"""Seconds that a request waits for a workspace that is expected back at once; then whoever asks is told."""


class Workspace:
    """The workspace as the server sees it.

    Args:
        state: The server's own folder: a server that starts anew knows the workspace again by what is there.
        on_exited: Called when an execution's first process has ended.
        on_lost: Called when the line has broken, whatever comes of it.
        on_gone: Called when everything that ran is gone.
        on_there: Called when a workspace is there, with whether it is the same again, with everything that ran.
        return_seconds: Seconds that what runs is waited for when the line is lost.

    Attributes:
        closer: Closes every descriptor that it has passed.
    """

    def __init__(
        self,
        state: Path,
        on_exited: Callable[[Exited], None],
        on_lost: Callable[[], None],
        on_gone: Callable[[], None],
        on_there: Callable[[bool], None],
        return_seconds: float = RETURN_SECONDS,
    ) -> None:
        self._return_seconds = return_seconds
        self._on_exited = on_exited
        self._on_lost = on_lost
        self._on_gone = on_gone
        self._on_there = on_there
        self._line: Line | None = None
        self.closer = Closer(lambda: self.break_line("what it passes does not close"))
        self._acquaintance = Acquaintance(state)
        self._is_expected = self._acquaintance.is_known
        self._arrival = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None
        self._questions = Questions(lambda: self.break_line("it does not answer"), self._remove)
        self._absence = Refused(
            ErrorCode.WORKSPACE_UNAVAILABLE, "the workspace has not connected yet; try again in a moment"
        )

    @property
    def connected(self) -> bool:
        """Whether there is a line that has said hello."""
        return self._line is not None

    @property
    def absence(self) -> str:
        """Why there is no line."""
        return self._absence.message

    def welcome(self, line: Line, hello: Hello) -> None:
        """Take a line that has said hello.

        One that shows no secret of ours is told that it is fresh: what ran before it has been given up, so it must not run
        on unseen.
        """
        self._wait_no_longer()
        known = self._acquaintance.recognises(hello.secret)
        logger.info("the workspace has %s", "reconnected" if known else "connected")
        if not known:
            self._acquaintance.end()  # The one before is not to be known again, either.
            self._on_gone()
        secret = self._acquaintance.renew()
        self._line = line
        self._arrival.set()
        line.send(to_json({"welcome": secret, "fresh": not known}))
        self._on_there(known)

    def lost(self, reason: str, misbehaved: bool) -> None:
        """The line is broken: everything that waits fails now. What runs may be back with the workspace."""
        self._line, self._is_expected = None, False
        self._on_lost()
        self._arrival.clear()
        code = ErrorCode.WORKSPACE_MISBEHAVED if misbehaved else ErrorCode.WORKSPACE_RESTARTING
        logger.warning("%s: the line to the workspace is broken: %s", code.value, reason)
        self._absence = Refused(
            ErrorCode.WORKSPACE_RESTARTING, "the workspace is restarting; try again in a moment"
        )
        self._questions.fail(lambda: Refused(code, f"the workspace was lost: {reason}"))
        if misbehaved:
            self._give_up()
        else:
            self.wait()

    def died(self) -> None:
        """Its first process has ended: nothing of it comes back."""
        if self._line is not None:
            self._line.read_rest()
        if self._line is not None:
            self._line.end("it has ended")
        self._wait_no_longer()
        self._give_up()

    def wait(self) -> None:
        """Wait for the workspace that was there, but not for ever."""
        self._wait_no_longer()
        self._patience = asyncio.get_running_loop().call_later(self._return_seconds, self._give_up)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._wait_no_longer()
        self.closer.end()

    def _give_up(self) -> None:
        # It is not known again, either: it would be told to go on with what was given up.
        self._acquaintance.end()
        self._on_gone()

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def break_line(self, reason: str) -> None:
        """Give the line up, and what runs with it: the workspace breaks its rules."""
        if self._line is not None:
            self._line.fail(reason)

    def hang_up(self, reason: str) -> None:
        """Give the line up. What runs goes on, and the workspace connects anew."""
        if self._line is not None:
            self._line.end(reason)
            self._is_expected = True

    def ask(
        self,
        operation: str,
        fields: dict[str, Any],
        *,
        descriptors: Sequence[int] = (),
        expected: int = 0,
        counted_by: str | None = None,
        deadline: float = DEADLINE_SECONDS,
    ) -> asyncio.Future[Answer]:
        """Send a request. The descriptors stay the caller's, who may close them as soon as this returns.

        Args:
            operation: The line's name of it.
            fields: Its fields, byte strings as `bytes_field` gives them.
            descriptors: To pass along.
            expected: Descriptors that the answer must bring.
            counted_by: The answer's field that lists what descriptors it brings, where it may be some of several.
            deadline: Seconds until the answer is given up.

        Raises:
            Refused: There is no workspace, or it takes nothing more.
            OSError: There are no descriptors left.
        """
        self.check_connected()
        number, answer = self._questions.add(operation, expected, counted_by, deadline)
        try:
            self._send(to_json({"id": number, "op": operation, **fields}), descriptors)
        except BaseException:  # Whatever it is, nothing was sent.
            self._questions.withdraw(number)
            raise
        return answer

    def check_connected(self) -> None:
        """See that there is a line.

        Raises:
            Refused: There is none.
        """
        if self._line is None:
            raise Refused(self._absence.code, self._absence.message)

    async def arrives(self) -> None:
        """Wait a moment where it is expected back: where this server has started anew, or has hung up.

        It looks for the server several times a second. One that has hung up by itself has ended, and whoever asks is told so.
        """
        if self._line is None and self._is_expected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ARRIVAL_SECONDS):
                    await self._arrival.wait()

    async def request(
        self,
        operation: str,
        fields: dict[str, Any],
        *,
        descriptors: Sequence[int] = (),
        expected: int = 0,
        counted_by: str | None = None,
        deadline: float = DEADLINE_SECONDS,
    ) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            Refused: There is no workspace, it was lost meanwhile, or it did not answer.
            Failed: It could not do it.
        """
        await self.arrives()
        answer = self.ask(
            operation,
            fields,
            descriptors=descriptors,
            expected=expected,
            counted_by=counted_by,
            deadline=deadline,
        )
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self.closer.give(answer.result().descriptors)
                self._questions.undo(operation, answer.result().fields)
            raise

    def packet(self, packet: bytes, descriptors: list[int]) -> None:
        """Take a packet of the line.

        Raises:
            Misbehaved: It is none that may come.
        """
        taken = False
        try:
            taken = self._take(packet, descriptors)
        finally:
            if not taken:
                self.closer.give(descriptors)

    def _send(self, packet: bytes, descriptors: Sequence[int]) -> None:
        assert self._line is not None  # noqa: S101 - `ask` has looked; for the type checker
        if len(packet) <= MAX_PACKET_BYTES:
            self._line.send(packet, descriptors)
            return
        large = sealed_memfd(packet)
        try:
            self._line.send(to_json({"memfd": len(packet)}), [large, *descriptors])
        finally:
            close_all([large])

    def _take(self, packet: bytes, descriptors: list[int]) -> bool:
        message = parse(packet)
        if "event" in message:
            expect(descriptors, 0)
            self._on_exited(read_exited(message))
            return False
        return self._questions.take(message, descriptors)

    def _remove(self, ticket: int) -> None:
        with contextlib.suppress(Refused):  # A workspace that is lost removes it by itself.
            self.ask("abort", {"ticket": ticket}).add_done_callback(look_at)
