"""A persistent shell: it reads commands from a pipe, and says on another one how each has ended.

A shell reads its script from its standard input, so each command is a line of that script: an `eval` of the quoted text,
and then the code. So an open quote is an error of that `eval` alone, there is no loop that `break` could leave, and nothing
of ours is in the shell's own names. What a command prints is what its pipes hold when its code comes.
"""

import asyncio
import os
import re
import shlex
from collections.abc import Callable
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.shells import ShellResult
from kubebox_protocol.verdicts import Verdict
from kubebox_sandbox.executions.pipes import reopened
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.watch import Watch

RESULTS: Final = 9
"""The descriptor on which a shell says its codes: the highest that every shell can name, so that scripts hardly want it."""

APART: Final = f"</dev/null {RESULTS}>&-"
"""What keeps a command from its shell's own pipes."""

PROLOGUE: Final = f"exec {RESULTS}>&3 3>&-\n"
RESULT: Final = re.compile(rb"(\d{1,18}) (\d{1,3})")
MAX_RESULT_BYTES: Final = 4096
"""Bytes that are read of results at once; one has 23 at most, and only one is due."""


class Shell:
    """One shell's commands, one after the other.

    Args:
        watch: Watches the results.
        script: Its standard input.
        collect: Reads what its pipes hold, and says where its output ends.
        record: Called with what has to be known after a restart of the server.

    Attributes:
        number: The last command's.
        begins: Where its output begins.
        timed_out: Whether it is being ended at its timeout.
    """

    def __init__(
        self,
        watch: Watch,
        script: StandardInput,
        collect: Callable[[], int],
        record: Callable[["Shell"], None],
    ) -> None:
        self._watch = watch
        self._script = script
        self._collect = collect
        self._record = record
        self._reading = -1
        self._rest = b""
        self.number = 0
        self.begins = 0
        self._command: str | None = None  # The last one; not known after a restart of the server.
        self._result: asyncio.Future[ShellResult] | None = None
        self._verdict: Verdict | None = None
        self.timed_out = False

    @property
    def reading(self) -> int:
        """The server's end of the pipe of results."""
        return self._reading

    @property
    def result(self) -> ShellResult | None:
        """How the last command ended, if it has."""
        return self._result.result() if self._result is not None and self._result.done() else None

    def open(self) -> tuple[int, int]:
        """Make the pipe of results.

        Returns:
            The shell's end, and one of ours that the workspace keeps; both are the caller's to close.

        Raises:
            OSError: There are no descriptors left.
        """
        kept, writing = os.pipe2(os.O_CLOEXEC)
        try:
            self._reading = reopened(kept, os.O_RDONLY)
        except OSError:
            os.close(writing)
            os.close(kept)
            raise
        return writing, kept

    def adopt(self, reading: int) -> None:
        """Go on with a pipe that an earlier server had made."""
        self._reading = reading

    def recall(self, number: int, start: int, result: ShellResult | None) -> None:
        """Go on after the command that an earlier server knew last."""
        self.number, self.begins = number, start
        self._result = asyncio.get_running_loop().create_future()
        if result is not None:
            self._result.set_result(result)

    def start(self) -> None:
        """Begin to read results."""
        if self._reading >= 0:
            self._watch.readable(self._reading, self._readable)

    async def begin(self, command: str) -> None:
        """Run a first command, whose end is nobody's concern: what comes after it waits for it."""
        first = f"command eval {shlex.quote(command)} {APART}\n" if command.strip() else ""
        await self._write(PROLOGUE + first)

    async def run(self, number: int, command: str) -> ShellResult:
        """Run a command, at most once for each number, and wait for its end.

        Raises:
            Refused: Another one runs, the number is not the next or is another command's, or the shell has ended.
        """
        if number == self.number and self._result is not None and self._command in (None, command):
            return await asyncio.shield(self._result)
        if self._verdict is not None:
            raise Refused(
                ErrorCode.EXECUTION_ENDED,
                f"the shell has ended: {self._verdict.message}",
                next=self.number + 1,
            )
        if self._result is not None and not self._result.done():
            raise Refused(ErrorCode.SHELL_BUSY, "the shell still runs a command", number=self.number)
        if number != self.number + 1:
            raise Refused(
                ErrorCode.EXECUTION_CONFLICT, f"the next command of this shell is number {self.number + 1}",
                next=self.number + 1,
            )  # fmt: skip
        last = self.result
        self.number, self.begins, self.timed_out = number, self._collect(), False
        self._command = command
        self._result = result = asyncio.get_running_loop().create_future()
        self._record(self)
        await self._send(command, 0 if last is None else last.exit_code or 0)
        return await asyncio.shield(result)

    def end(self, verdict: Verdict) -> None:
        """It has ended: so has the command that ran in it."""
        self._verdict = verdict
        self._settle(verdict.exit_code, verdict)
        self.close()

    def close(self) -> None:
        """Read no more results."""
        if self._reading >= 0:
            self._watch.leave(self._reading)
            os.close(self._reading)
            self._reading = -1

    async def _send(self, command: str, before: int) -> None:
        # The command finds in `$?` what the one before has left; `&& :` keeps `set -e` and traps out of that.
        last = f"(exit {before}) 2>/dev/null && :\n" if before else ""
        line = f"command eval {shlex.quote(command)} {APART}\n"
        # No keyword may be in this: after an open quote, bash does not know one at the beginning of the next line.
        code = f'command echo {self.number} "$?" >&{RESULTS}\n'
        await self._write(last + line + code)

    async def _write(self, text: str) -> None:
        try:
            await self._script.write(self._script.offset, text.encode())
        except Refused:  # It has ended, or has closed its script: its end is the answer.
            return

    def _readable(self) -> None:
        try:
            data = os.read(self._reading, MAX_RESULT_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-MAX_RESULT_BYTES:]
        for line in lines:
            found = RESULT.fullmatch(line)
            if found is not None and int(found[1]) == self.number:
                self._settle(int(found[2]), None)

    def _settle(self, code: int | None, ended: Verdict | None) -> None:
        if self._result is None or self._result.done():
            return
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
