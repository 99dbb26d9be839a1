"""Terminals: programs that talk to a person, and whoever stands in for one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from kubebox import _arguments
from kubebox._output import OutputReader
from kubebox._results import require_known_end
from kubebox._running import WithInput
from kubebox._transport.base import Transport
from kubebox.errors import NotATerminal, OffsetExpired
from kubebox_protocol.executions import CommandMode, Execution, TerminalSize
from kubebox_protocol.output import ExecutionEnded, OutputChunk
from kubebox_protocol.verdicts import Verdict

if TYPE_CHECKING:
    from kubebox._executions import Executions

ROWS: Final = 24
COLUMNS: Final = 80
"""Characters of a terminal where nobody says otherwise: what programs take for granted."""

INTERACTIVE_SHELL: Final = 'exec "${BASH:-/bin/sh}" -i'
"""Text runs in bash, which knows its own path, or in sh where there is none; so this is that same shell once more, whatever PATH
says, with a prompt and job control."""

TAIL_BYTES: Final = 64 * 1024
"""Bytes of old output that a new viewer gets: some screens full, from which most programs' screens can be drawn again."""

MAX_TRIES: Final = 3
"""Times that a new viewer asks for old output, where that was dropped between its question and the answer."""


class Terminal(WithInput):
    """A command in a terminal: `async for data in terminal` gives what it shows, as bytes.

    To leave the loop, or to stop waiting for the next piece, loses nothing; the next loop goes on there. `detach()` leaves the
    terminal, and what runs in it goes on; `async with` ends so. While nobody reads, it is not held back: beyond 256 MiB the
    oldest output is dropped.

    Any number of clients view a terminal; one of them writes. In one client there is one reader of each terminal.

    Attributes:
        process_id: Its id, which `attach_terminal()` of any client takes.
        dropped_bytes: Bytes that the sandbox no longer held when they were due.
    """

    def __init__(
        self, executions: "Executions", session_id: str, process_id: str, reader: OutputReader
    ) -> None:
        super().__init__(executions, session_id, process_id)
        self._reader = reader
        self._record: Execution | None = None
        self.dropped_bytes = 0

    def __repr__(self) -> str:
        state = "not read to its end" if self.verdict is None else self.verdict.kind
        return f"<Terminal {self.process_id}: {state}>"

    @property
    def offset(self) -> int:
        """Bytes of output before the next piece: where `attach_terminal()` goes on."""
        return self._reader.offset

    @property
    def exit_code(self) -> int | None:
        """The exit code, -N where signal N ended the command; `None` until all was read."""
        return None if self.verdict is None else self.verdict.exit_code

    @property
    def verdict(self) -> Verdict | None:
        """How the command ended; `None` until all was read."""
        return None if self._record is None else self._record.verdict

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while self._record is None:
            if not self._reader.listening:
                await self._reader.attach(again=True)
            happening = await self._reader.next()
            if isinstance(happening, OutputChunk):
                return happening.data
            if isinstance(happening, ExecutionEnded):
                self._record = happening.execution
                require_known_end(happening.execution)
            else:
                self.dropped_bytes += happening.next_offset - happening.offset
        raise StopAsyncIteration

    async def resize(self, rows: int, columns: int) -> None:
        """Give it another size, in characters; the program in front is told by SIGWINCH.

        Raises:
            InvalidArgument: It is not from 1 to 65535 each way.
            ExecutionEnded: The command has ended.
        """
        await self._executions.steering.resize(self._session_id, self.process_id, rows, columns)

    async def wait(self) -> Verdict:
        """Wait for the end of the command, whether or not anybody reads.

        Raises:
            SandboxLost: The workspace went while it ran.
            ExecutionUnknown: How it ended cannot be known.
        """
        return await self._executions.wait_for_end(self._session_id, self.process_id)

    async def detach(self) -> None:
        """Leave it; what runs in it goes on. Another loop attaches again."""
        self._reader.check_loop()
        await self._reader.detach()

    async def aclose(self) -> None:
        """The same as `detach`."""
        await self.detach()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.detach()


async def open_terminal(
    transport: Transport,
    executions: "Executions",
    session_id: str,
    command: str | Sequence[str] | None,
    *,
    rows: int,
    columns: int,
    path: str | None,
    env: Mapping[str, str] | None,
    timeout: float | None,
    lease: float | None,
    process_id: str | None,
) -> Terminal:
    """Start a command in a terminal, and view it."""
    start = _arguments.start(
        INTERACTIVE_SHELL if command is None else command,
        CommandMode.BACKGROUND,  # Which drops the oldest: a person who looks away must not stop the program.
        path=path,
        timeout=timeout,
        env=env,
        user=None,
        stdin=None,
        process_id=process_id,
        terminal=_arguments.build(TerminalSize, rows=rows, columns=columns),
        lease=lease,
    )
    reader = OutputReader(transport, session_id, start.execution_id)
    await executions.start(session_id, start, reader)
    return Terminal(executions, session_id, str(start.execution_id), reader)


async def attach_terminal(
    transport: Transport, executions: "Executions", session_id: str, process_id: str, offset: int | None
) -> Terminal:
    """View a terminal that is there, from an offset on, or from where the tail begins."""
    execution_id = _arguments.process(process_id)
    record = await executions.status(session_id, process_id)
    if record.kind != "terminal":
        raise NotATerminal(
            "the command runs in no terminal; attach() reads its output", process_id=process_id
        )
    start = _tail_of(record) if offset is None else _arguments.offset(offset)
    reader = OutputReader(transport, session_id, execution_id, start)
    for tries_left in reversed(range(MAX_TRIES)):
        try:
            await reader.attach(again=True)
            break
        except OffsetExpired as expired:
            if offset is not None or not tries_left:
                raise
            reader.offset = int(expired.data["first_offset"])
    return Terminal(executions, session_id, str(execution_id), reader)


def _tail_of(record: Execution) -> int:
    return max(record.end_offset - TAIL_BYTES, record.first_offset, 0)
