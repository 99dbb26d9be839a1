"""What commands give: a stream, a result, or a process that goes on by itself."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from kubebox._collect import STREAMS, Collector, Splitter, join, text
from kubebox._output import OutputReader
from kubebox._running import WithInput
from kubebox.errors import CommandFailed, CommandTimeout, ExecutionUnknown, InvalidArgument, SandboxLost
from kubebox_protocol.executions import Execution
from kubebox_protocol.output import ExecutionEnded, OutputGap, OutputType
from kubebox_protocol.verdicts import Verdict, VerdictKind

if TYPE_CHECKING:
    from kubebox._executions import Executions

__all__ = ["BackgroundProcess", "CommandOutput", "CommandResult", "CommandStream"]


@dataclass(frozen=True)
class CommandOutput:
    """A piece of output.

    Attributes:
        data: The bytes, exactly. Each byte of the output is in one piece's `data`.
        type: The stream it was written to.
        offset: Bytes of output before this piece, both streams counted together.
        process_id: The command's.
        complete: The bytes that `output` is the text of: a character that is split between pieces belongs to the last.
    """

    data: bytes
    type: OutputType
    offset: int
    process_id: str
    complete: bytes = field(repr=False)

    @cached_property
    def output(self) -> str:
        """The text that these bytes completed, UTF-8; invalid bytes become U+FFFD. Decoded when it is asked for."""
        return self.complete.decode("utf-8", "replace")


@dataclass(frozen=True)
class CommandResult:
    """A command that has ended.

    Attributes:
        stdout: What it wrote, as text; invalid UTF-8 becomes U+FFFD.
        stderr: The same of the other stream.
        output: Both, in the order of arrival.
        exit_code: Its exit code; -N where signal N ended it; `None` where there is none.
        finished: Whether it has ended.
        verdict: How it ended, and who ended it.
        truncated: Whether output is missing: of more than 10 MiB a stream, head and tail are kept. `attach()`
            reads the rest.
        process_id: Its id.
        stdout_bytes: `stdout` as bytes, exactly.
        stderr_bytes: `stderr` as bytes, exactly.
    """

    stdout: str
    stderr: str
    output: str
    exit_code: int | None
    finished: bool
    verdict: Verdict
    truncated: bool
    process_id: str
    stdout_bytes: bytes = field(default=b"", repr=False)
    stderr_bytes: bytes = field(default=b"", repr=False)

    def check(self) -> Self:
        """Raise unless the command exited with code 0.

        Raises:
            CommandTimeout: It was ended at its deadline.
            CommandFailed: It ended in another way than with exit code 0.
        """
        if self.verdict.kind == VerdictKind.TIMED_OUT:
            raise CommandTimeout(_failure(self), result=self, process_id=self.process_id)
        if self.exit_code != 0 or self.verdict.kind != VerdictKind.EXITED:
            raise CommandFailed(_failure(self), result=self, process_id=self.process_id)
        return self


def _failure(result: CommandResult) -> str:
    last = (result.stderr or result.stdout).strip()[-500:]
    return result.verdict.message + (f"\n{last}" if last else "")


class CommandStream(WithInput):
    """A command's output as it comes: `async for output in stream`.

    Leaving the loop, or `aclose()`, detaches. The command goes on; another loop goes on where this one left.

    Attributes:
        process_id: The command's id.
        dropped_bytes: Bytes that the sandbox no longer held when they were due; the offsets tell where.
    """

    def __init__(
        self,
        executions: "Executions",
        session_id: str,
        process_id: str,
        reader: OutputReader,
        *,
        attached: bool,
    ) -> None:
        super().__init__(executions, session_id, process_id)
        self._reader = reader
        self._attached = attached
        self._record: Execution | None = None
        self._splitter = Splitter()
        self._loops = 0
        self.dropped_bytes = 0

    def __repr__(self) -> str:
        state = "not read to its end" if self.verdict is None else self.verdict.kind
        return f"<CommandStream {self.process_id}: {state}>"

    @property
    def exit_code(self) -> int | None:
        """The exit code, -N where signal N ended the command; `None` until the stream has ended."""
        return None if self.verdict is None else self.verdict.exit_code

    @property
    def verdict(self) -> Verdict | None:
        """How the command ended; `None` until the stream has ended."""
        return None if self._record is None else self._record.verdict

    def __aiter__(self) -> AsyncGenerator[CommandOutput]:
        # A generator, since Python closes one whose loop is left; an object with __anext__ would never know.
        self._loops += 1
        return self._pieces(self._loops)

    async def aclose(self) -> None:
        """Leave the output; the command goes on."""
        self._reader.check_loop()
        if self._attached:
            self._attached = False
            await self._reader.detach()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def check(self) -> Self:
        """Raise unless the command exited with code 0. The error's result has no output: the stream gave it.

        Raises:
            CommandTimeout: It was ended at its deadline.
            CommandFailed: It ended in another way than with exit code 0.
            InvalidArgument: The stream has not ended yet.
        """
        if self.verdict is None:
            raise InvalidArgument("the stream has not ended: read it to its end before check()")
        CommandResult("", "", "", self.exit_code, True, self.verdict, True, self.process_id).check()
        return self

    async def _pieces(self, loop: int) -> AsyncGenerator[CommandOutput]:
        if self._record is not None:
            return
        self._reader.check_loop()
        try:
            if not self._attached:
                await self._reader.attach(again=True)
                self._attached = True
            while True:
                happening = await self._reader.next()
                if isinstance(happening, ExecutionEnded):
                    break
                if isinstance(happening, OutputGap):
                    for piece in self._flush(happening.offset):
                        yield piece
                    self.dropped_bytes += happening.next_offset - happening.offset
                    continue
                complete = self._splitter.cut(happening.type, happening.data)
                yield CommandOutput(
                    happening.data, happening.type, happening.offset, self.process_id, complete
                )
            self._attached = False
            for piece in self._flush(self._reader.offset):
                yield piece
            self._record = happening.execution
            require_known_end(happening.execution)
        finally:
            # Python gets round to closing a loop that was left in its own time: another one may read by then.
            if loop == self._loops:
                await self.aclose()

    def _flush(self, offset: int) -> list[CommandOutput]:
        pending: list[tuple[OutputType, bytes]] = [(type, self._splitter.flush(type)) for type in STREAMS]
        return [CommandOutput(b"", type, offset, self.process_id, begun) for type, begun in pending if begun]


class BackgroundProcess(WithInput):
    """A command that goes on by itself, whatever becomes of this object.

    Attributes:
        process_id: Its id, which `attach()`, `check_status()` and `kill_command()` of any client take.
    """

    def __repr__(self) -> str:
        return f"<BackgroundProcess {self.process_id}>"

    def attach(self, offset: int = 0) -> CommandStream:
        """Its output from an offset on, as it comes, until it ends."""
        return self._executions.attach(self._session_id, self.process_id, offset)

    async def wait(self) -> Verdict:
        """Wait for its end.

        Raises:
            SandboxLost: The workspace went while it ran.
            ExecutionUnknown: How it ended cannot be known.
        """
        return await self._executions.wait_for_end(self._session_id, self.process_id)


def require_known_end(execution: Execution) -> Verdict:
    """The verdict of an execution that has ended, where it says how the command itself ended.

    Raises:
        SandboxLost: The workspace went while it ran.
        ExecutionUnknown: How it ended cannot be known.
    """
    return known_end(execution.verdict, str(execution.execution_id))


def known_end(verdict: Verdict | None, process_id: str) -> Verdict:
    """The same for a verdict, or none, on an end."""
    if verdict is None or verdict.kind in (VerdictKind.UNKNOWN, VerdictKind.SERVER_RESTARTED):
        message = "how the command ended cannot be known" if verdict is None else verdict.message
        raise ExecutionUnknown(message, verdict=verdict, process_id=process_id)
    if verdict.kind == VerdictKind.WORKSPACE_RESTARTED:
        raise SandboxLost(verdict.message, verdict=verdict, process_id=process_id)
    return verdict


def result_of(execution: Execution, collector: Collector) -> CommandResult:
    """The result of an execution that has ended."""
    process_id = str(execution.execution_id)
    return with_output(known_end(execution.verdict, process_id), process_id, collector)


def with_output(verdict: Verdict, process_id: str, collector: Collector) -> CommandResult:
    """The result of something that ended so, and wrote this."""
    out, err = collector.pieces("stdout"), collector.pieces("stderr")
    stdout, stderr = text(out), text(err)
    return CommandResult(
        stdout=stdout,
        stderr=stderr,
        output=text(collector.all_pieces()) if out and err else stdout or stderr,
        exit_code=verdict.exit_code,
        finished=True,
        verdict=verdict,
        truncated=collector.truncated,
        process_id=process_id,
        stdout_bytes=join(out),
        stderr_bytes=join(err),
    )
