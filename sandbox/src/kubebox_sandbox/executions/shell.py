"""A persistent shell: it runs one command after the other, each under a number, and once."""

import asyncio
from collections.abc import Callable
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.shells import ShellResult
from kubebox_protocol.verdicts import Verdict
from kubebox_sandbox.executions.dialogue import Dialogue
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.watch import Watch

TAKEOVER_SECONDS: Final = 1.0
"""Seconds that requests wait for what a shell of an earlier server says first: one that runs nothing says it at once."""


class TakesNoMore(Exception):
    """The shell takes no more commands, or has not said how the last one ended. It has to be ended."""


class Shell:
    """One shell's commands, one after the other.

    What a command prints is what the shell's pipes hold when its code comes.

    Args:
        watch: Watches what it says.
        stdin: Takes its script.
        collect: Reads what its pipes hold, and says where its output ends.
        record: Called with what has to be known after a restart of the server; raises `Refused` where a command that is to run
            cannot be written down.

    Attributes:
        number: The last command's.
        begins: Where its output begins.
        before: How the one before has ended, where that is known.
        timed_out: Whether it is being ended at its timeout.
        calm: Set while no command is being ended. What runs in the shell then gets its signals, so the next one waits.
    """

    def __init__(
        self,
        watch: Watch,
        stdin: StandardInput,
        collect: Callable[[], int],
        record: Callable[["Shell"], None],
    ) -> None:
        self._dialogue = Dialogue(watch, stdin, self._ended, self._lost)
        self._collect = collect
        self._record = record
        self.number = 0
        self.begins = 0
        self.before: ShellResult | None = None
        self.timed_out = False
        self._command: str | None = None  # The last one; not known after a restart of the server.
        self._is_due = False  # The last one's end.
        # Of the last one; `None` where that was no end, and whoever waits has to look again.
        self._result: asyncio.Future[ShellResult | None] | None = None
        self._verdict: Verdict | None = None
        self._takes_no_more = False
        self._takeover: asyncio.Task[None] | None = None
        self._is_adopted = False
        self._settles_by = 0.0
        self.calm = asyncio.Event()
        self.calm.set()

    @property
    def result(self) -> ShellResult | None:
        """How the last command ended, if it has."""
        return self._result.result() if self._result is not None and self._result.done() else None

    def open(self) -> tuple[int, int]:
        """Make the pipe on which it says how its commands end; its standard input must be open.

        Returns:
            The shell's end, and one of ours that the workspace keeps; both are the caller's to close.

        Raises:
            OSError: There are no descriptors left.
        """
        return self._dialogue.open()

    def adopt(self, reading: int) -> None:
        """Go on with a pipe that an earlier server had made."""
        self._dialogue.adopt(reading)
        self._is_adopted = True

    def recall(self, number: int, start: int, result: ShellResult | None, before: ShellResult | None) -> None:
        """Go on after the command that an earlier server knew last. Where its end is not known, it may never have been sent."""
        self.number, self.begins, self.before = number, start, before
        self._result = asyncio.get_running_loop().create_future()
        self._is_due = result is None
        if result is not None:
            self._result.set_result(result)

    def start(self) -> None:
        """It runs, or has been adopted."""
        if self._is_adopted:
            self._dialogue.recall(self.number, is_due=self._is_due)
            self._settles_by = asyncio.get_running_loop().time() + TAKEOVER_SECONDS
            self._takeover = asyncio.ensure_future(self._take_over())

    async def begin(self, command: str) -> None:
        """Run a first command, whose end is nobody's concern: what comes after it waits for it."""
        if command.strip():
            await self._dialogue.begin(command)

    async def run(self, number: int, command: str) -> ShellResult:
        """Run a command, at most once for each number, and wait for its end.

        Raises:
            Refused: Another one runs, the number is not the next or is another command's, the shell has ended, or the disk takes
                no more records.
            TakesNoMore: The shell has to be ended first.
        """
        while True:
            await self._settled_in()
            if self._takes_no_more and self._verdict is None:
                raise TakesNoMore
            result = self._result
            if number != self.number or result is None or self._command not in (None, command):
                self._check(number)
                result = await self._send(number, command)
            told = await asyncio.shield(result)
            if told is not None:
                return told

    def end(self, verdict: Verdict) -> None:
        """It has ended: so has the command that ran in it, where its code has not come yet."""
        self._dialogue.read()
        self._verdict = verdict
        self._settle(verdict.exit_code, verdict)
        self.close()

    def close(self) -> None:
        """Hear no more of it."""
        if self._takeover is not None:
            self._takeover.cancel()
        self._dialogue.close()

    async def _settled_in(self) -> None:
        if self._takeover is not None and not self._takeover.done():
            left = self._settles_by - asyncio.get_running_loop().time()
            await asyncio.wait([self._takeover], timeout=max(0.0, left))

    def _check(self, number: int) -> None:
        if self._verdict is not None:
            raise Refused(
                ErrorCode.EXECUTION_ENDED,
                f"the shell has ended: {self._verdict.message}",
                next=self.number + 1,
            )
        if self._is_due:
            raise Refused(ErrorCode.SHELL_BUSY, "the shell still runs a command", number=self.number)
        if number != self.number + 1:
            raise Refused(
                ErrorCode.EXECUTION_CONFLICT, f"the next command of this shell is number {self.number + 1}",
                next=self.number + 1,
            )  # fmt: skip

    async def _send(self, number: int, command: str) -> "asyncio.Future[ShellResult | None]":
        self._dialogue.read()
        self.before = self.result
        self.number, self.begins, self.timed_out = number, self._collect(), False
        self._command = command
        self._is_due = True
        self._result = result = asyncio.get_running_loop().create_future()
        try:
            self._record(self)
        except Refused:
            self._take_back()
            raise
        code = 0 if self.before is None else self.before.exit_code or 0
        await self._dialogue.send(number, command, code)
        return result

    async def _take_over(self) -> None:
        """Find out what became of the last command of an earlier server.

        It may have written down that it begins, and have been killed before it sent it, or all of it. When the shell has done
        all that it was sent, and has never said anything, there was nothing: the command can still be run. But where an answer
        may have been there that an earlier server has read, the command may have been run, and its code is lost.
        """
        number = self.number
        has_said_nothing = await self._dialogue.ask()
        if not self._is_due or self.number != number or self._takes_no_more or self._verdict is not None:
            return
        self._dialogue.recall(self.number, is_due=False)
        if has_said_nothing:
            self._take_back()
        else:
            self._settle(None, None)

    def _take_back(self) -> None:
        """The last command was never sent: the shell stands where it stood before."""
        unsent, self._is_due, self._command = self._result, False, None
        self.number -= 1
        self._result, last, self.before = None, self.before, None
        if self.number:
            last = last or ShellResult(number=self.number, start_offset=self.begins, end_offset=self.begins)
            self.begins = last.start_offset
            self._result = asyncio.get_running_loop().create_future()
            self._result.set_result(last)
        if unsent is not None:
            unsent.set_result(None)

    def _lost(self) -> None:
        if self._verdict is not None:
            return
        self._takes_no_more = True
        if self._is_due and self._result is not None:
            waiting, self._result = self._result, asyncio.get_running_loop().create_future()
            waiting.set_result(None)

    def _ended(self, number: int, code: int) -> None:
        if number == self.number:
            self._settle(code, None)

    def _settle(self, code: int | None, ended: Verdict | None) -> None:
        if not self._is_due or self._result is None:
            return
        self._is_due = False
        result = ShellResult(
            number=self.number,
            exit_code=code,
            timed_out=self.timed_out,
            start_offset=self.begins,
            end_offset=self._collect(),
            ended=ended,
        )
        self._result.set_result(result)
        self._record(self)
