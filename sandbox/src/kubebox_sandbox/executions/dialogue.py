"""Talking with a shell: what it is given, what it answers, and what comes of it where it does not answer as it should."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from kubebox_protocol.errors import Refused
from kubebox_sandbox.executions import script
from kubebox_sandbox.executions.answers import Answers
from kubebox_sandbox.executions.exhausted import Exhausted
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.watch import Watch

LOTS: Final = 10**9
"""Numbers of questions. They are drawn by lot: no answer to an earlier server is taken for one to this."""


@dataclass
class _Question:
    """What the shell was asked: which words are genuine, when all that came before is done.

    Attributes:
        number: What tells its answers from others.
        genuine: The words that have answered.
        found_silence: Whether the last command had said nothing before.
        is_over: Set when it is answered, or will not be.
    """

    number: int = field(default_factory=lambda: 1 + secrets.randbelow(LOTS))
    genuine: set[str] = field(default_factory=set[str])
    found_silence: bool | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Dialogue:
    """Gives a shell its commands, and hears their codes.

    Args:
        watch: Watches the answers.
        stdin: Takes the script.
        ended: Called with the number and the code of a command. Writes them down.
        lost: Called where the shell runs no more commands, or has not answered: nothing can be waited for but its end.
    """

    def __init__(
        self,
        watch: Watch,
        stdin: StandardInput,
        ended: Callable[[int, int], None],
        lost: Callable[[], None],
    ) -> None:
        self._stdin = stdin
        self._ended = ended
        self._lost = lost
        self._answers = Answers(watch, self._heard)
        self._writing = asyncio.Lock()
        self._exhausted = Exhausted(stdin, self._writing.locked, self._has_read_on)
        self._number = 0  # The last command's.
        self._is_due = False  # Its code.
        self._is_silent = True  # Nothing was heard of it.
        self._word: str | None = script.WORDS[
            0
        ]  # Runs the next one; nothing where the shell has to be asked.
        self._question: _Question | None = None
        self._is_closed = False

    def open(self) -> tuple[int, int]:
        """Make the pipe of answers. The script must be open: it begins here, so that no shell is ever without its beginning.

        Returns:
            The shell's end, and one of ours that the workspace keeps; both are the caller's to close.

        Raises:
            OSError: There are no descriptors left.
        """
        ends = self._answers.open()
        self._stdin.put(script.PROLOGUE)
        return ends

    def adopt(self, reading: int) -> None:
        """Go on with a pipe that an earlier server had made. The shell has to be asked what runs its next command."""
        self._answers.adopt(reading)
        self._word = None

    def recall(self, number: int, *, is_due: bool) -> None:
        """Go on after this command, whose code is due or not."""
        self._number, self._is_due = number, is_due
        self._answers.carefully = is_due
        self._rest()

    async def begin(self, command: str) -> None:
        """Send a first command, whose end is nobody's concern."""
        self._word = None
        await self._write(script.first(command))

    async def send(self, number: int, command: str, before: int) -> None:
        """Send a command.

        Args:
            number: Its number.
            command: Its text.
            before: What it finds in `$?`.
        """
        if self._word is None:
            await self.ask()
        word, self._word = self._word, None
        if word is None:
            self._lose()
            return
        self._number, self._is_due = number, True
        self._expect()
        await self._write(script.command(number, command, word, before))

    async def ask(self) -> bool:
        """Ask which words are genuine, and wait until all that came before is done.

        Returns:
            Whether the last command has never said anything, to an earlier server neither.
        """
        question = self._question
        if question is None or question.is_over.is_set():
            question = self._question = _Question()
            self._expect()
            await self._write([script.question(self._number, question.number)])
        await question.is_over.wait()
        return question.found_silence is True

    def read(self) -> None:
        """Hear what was said while nobody listened: most often, that the last command's word is still genuine."""
        self._answers.read()

    def close(self) -> None:
        """Nothing is said any more."""
        self._is_closed = True
        self._is_due = False
        self._exhausted.close()
        self._answers.close()
        if self._question is not None:
            self._question.is_over.set()

    async def _write(self, pieces: Iterable[bytes]) -> None:
        async with self._writing:
            for piece in pieces:
                try:
                    await self._stdin.write(self._stdin.offset, piece)
                except Refused:  # It has ended, or has closed its script: its end is the answer.
                    return

    def _expect(self) -> None:
        self._answers.listen()
        self._exhausted.watch()

    @property
    def _is_asking(self) -> bool:
        return self._question is not None and not self._question.is_over.is_set()

    def _rest(self) -> None:
        if not self._is_due and not self._is_asking:
            self._answers.rest()
            self._exhausted.leave()

    def _heard(self, number: int, what: str, question: int) -> None:
        if self._question is not None and question == self._question.number:
            self._hear_answer(self._question, what)
            return
        if number < self._number:  # Whatever was torn came before the last command.
            self._answers.torn = False
        if question or number != self._number:
            return
        self._is_silent = False
        if what in script.GENUINE:
            self._word = script.GENUINE[what]
        elif self._is_due and what.isdigit():
            self._is_due = self._answers.carefully = False
            self._rest()
            self._ended(number, int(what))

    def _hear_answer(self, question: _Question, what: str) -> None:
        if question.found_silence is None:
            question.found_silence = self._is_silent and not self._answers.torn
        if what == script.DONE:
            self._word = next((word for word in script.WORDS if word in question.genuine), None)
            question.is_over.set()
            self._rest()
        elif what in script.GENUINE:
            question.genuine.add(script.GENUINE[what])

    def _has_read_on(self) -> None:
        self._answers.read()
        if self._is_due or self._is_asking:
            self._lose()

    def _lose(self) -> None:
        self._is_due = False
        if self._question is not None:
            self._question.is_over.set()
        self._rest()
        if not self._is_closed:  # A server that ends leaves its shells as they are.
            self._lost()
