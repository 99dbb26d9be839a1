"""Executions: one run of one command, its output and its end."""

from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from kubebox_protocol.base import Answer, Request
from kubebox_protocol.limits import (
    MAX_ARGUMENTS,
    MAX_CREDIT_BYTES,
    MAX_INPUT_BYTES,
    MAX_PAGE,
    MAX_PATH_BYTES,
    MAX_STDIN_BYTES,
    MAX_TIMEOUT_SECONDS,
)
from kubebox_protocol.sessions import SessionId

OutputType = Literal["stdout", "stderr"]
Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False)]


class CommandMode(StrEnum):
    """What the caller does with the output.

    `STREAM` reads it as it comes; `WAIT` gets it whole at the end; `BACKGROUND` leaves the command running and comes back.
    """

    STREAM = "stream"
    WAIT = "wait"
    BACKGROUND = "background"


class VerdictKind(StrEnum):
    """How an execution ended."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed-out"
    KILLED = "killed"
    OUT_OF_MEMORY = "out-of-memory"
    SERVER_RESTARTED = "server-restarted"
    WORKSPACE_RESTARTED = "workspace-restarted"
    UNKNOWN = "unknown"


class Verdict(Answer):
    """The cause of an execution's end.

    Attributes:
        kind: A `VerdictKind` of an execution, or what ended a sandbox (`destroyed`, `lifetime-over`, `owner-gone`,
            `server-ended`, `workspace-ended`, `network-ended`, `failed`, `unknown`); text, so that an older client can read
            a newer server's.
        exit_code: The process's exit code, `-N` where signal N ended it, `None` where that is not known.
        signal: The signal's name (`SIGKILL`) where one ended the process.
        by: Who killed it, where somebody did: `client`, `timeout`, `lease`.
        memory_limit: Bytes that all of the workspace may use, where it ran out of them and the kernel tells.
        memory_peak: Bytes that it has used at most.
        message: One sentence for a person.
    """

    kind: str
    exit_code: int | None = None
    signal: str | None = None
    by: str | None = None
    memory_limit: int | None = None
    memory_peak: int | None = None
    message: str


class TerminalSize(Request):
    """The size of a terminal, in characters."""

    rows: int = Field(default=24, ge=1, le=65535)
    columns: int = Field(default=80, ge=1, le=65535)


class StartCommand(Request):
    """Start a command.

    Attributes:
        execution_id: Chosen by the client before the start, so that a repeated request finds the first one's execution.
        command: Text runs in `bash -c` (`sh -c` where there is no bash); a list runs without a shell.
        mode: See `CommandMode`.
        path: Folder to run in, relative to the session's.
        timeout: Seconds until the server ends it; `None` for no deadline but the sandbox's.
        env: Variables that join and override the session's.
        user: Account to run as; needs a sandbox of profile `root`, which no place offers yet.
        stdin: All of its standard input (base64 in JSON); `None` for none.
        open_stdin: Whether its standard input stays open, for `Input`.
        terminal: Runs it in a terminal of this size. Its standard input stays open; all of its output is stdout's.
        shell: Runs a shell that takes commands one after the other; `command` is run in it first, and may be empty.
        lease: Seconds that it goes on while nobody reads it; then it is ended. `None` for no end.
    """

    execution_id: UUID
    command: str | Annotated[list[str], Field(max_length=MAX_ARGUMENTS)]
    mode: CommandMode = CommandMode.STREAM
    path: str | None = Field(default=None, max_length=MAX_PATH_BYTES)
    timeout: Timeout | None = None
    env: dict[str, str] = Field(default_factory=dict[str, str])
    user: str | None = Field(default=None, max_length=64)
    stdin: bytes | None = Field(default=None, max_length=MAX_STDIN_BYTES)
    open_stdin: bool = False
    terminal: TerminalSize | None = None
    shell: bool = False
    lease: Timeout | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.shell and (self.terminal is not None or self.open_stdin or self.stdin is not None):
            raise ValueError("a shell has neither a terminal nor a standard input")
        if self.stdin is not None and (self.open_stdin or self.terminal is not None):
            raise ValueError("what stays open takes its input afterwards, not with the start")
        return self


class Execution(Answer):
    """The record of an execution.

    Attributes:
        execution_id: Its id; the public API calls it `process_id`.
        session_id: The session it belongs to.
        mode: The mode it was started in.
        command: The beginning of the command, for people.
        kind: `command`, `terminal` or `shell`.
        state: `running` or `ended`.
        verdict: How it ended; `None` while it runs.
        started_at: Unix time in seconds. For people; durations are taken from a monotonic clock.
        duration: Seconds it has run.
        first_offset: The first output byte that is still held after the head.
        end_offset: Bytes of output so far, both streams together.
        dropped_bytes: Bytes of output that are no longer held.
        stdin_offset: Bytes of standard input that it was given so far.
        cpu_seconds: Processor time of its first process, and of what that has waited for; once it has ended.
        peak_memory_bytes: The most memory that one of these had at a time.
    """

    execution_id: UUID
    session_id: str
    mode: CommandMode
    state: Literal["running", "ended"]
    verdict: Verdict | None = None
    started_at: float
    duration: float
    first_offset: int = 0
    end_offset: int = 0
    dropped_bytes: int = 0
    stdin_offset: int = 0
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    command: str = ""
    kind: str = "command"


class ExecutionList(Answer):
    """Executions of a session, oldest first.

    Attributes:
        executions: A page of them.
        next: What to ask for the next page with; `None` on the last one.
    """

    executions: list[Execution]
    next: str | None = None


class Kill(Request):
    """End an execution: SIGTERM to its whole tree, then SIGKILL after the grace.

    Attributes:
        grace: Seconds between the two.
    """

    grace: float = Field(default=2.0, ge=0, le=60, allow_inf_nan=False)


class Signal(Request):
    """Send a signal.

    Attributes:
        signal: Its name, with or without `SIG`.
        scope: `tree`: to all processes of the execution; `leader`: to its first one alone.
    """

    signal: str = Field(max_length=16)
    scope: Literal["tree", "leader"] = "tree"


class SignalAnswer(Answer):
    """How many processes a signal was sent to."""

    signalled: int


class Input(Request):
    """More standard input.

    Attributes:
        offset: Bytes that were given before, so that a repeated request gives nothing twice.
        data: The bytes (base64 in JSON).
        close: Whether it ends with them.
        take: Whether to take it from another connection that writes.
    """

    offset: int = Field(ge=0)
    data: bytes = Field(default=b"", max_length=MAX_INPUT_BYTES)
    close: bool = False
    take: bool = False


class InputAnswer(Answer):
    """How many bytes of standard input were given so far, these included."""

    offset: int


class KillAnswer(Answer):
    """What a kill did.

    Attributes:
        execution: The record afterwards.
        survivors: Processes of the tree that could not be ended; 0 unless the kernel holds one in a system call.
    """

    execution: Execution
    survivors: int = 0


class KillAllAnswer(Answer):
    """How many executions a kill-all ended, and how many processes outlived it."""

    killed: int
    survivors: int = 0


class SessionRequest(Request):
    """A request about one session, over Socket.IO; REST has the session in its path."""

    session_id: SessionId


class ExecutionRequest(SessionRequest):
    """A request about one execution, over Socket.IO."""

    execution_id: UUID


class StartRequest(SessionRequest):
    """Start a command over Socket.IO.

    Attributes:
        start: What to start.
        credit: Bytes of output that the server may send at once; 0 to be told only of the end.
        end_inline: With credit 0: the answer may come a few milliseconds later and bring the end of a command that has ended by
            then. No event follows such an answer.
    """

    start: StartCommand
    credit: int = Field(default=0, ge=0, le=MAX_CREDIT_BYTES)
    end_inline: bool = False


class AttachRequest(ExecutionRequest):
    """Read an execution's output from an offset on, over Socket.IO, until it ends.

    Attributes:
        offset: The first byte wanted.
        credit: Bytes that may be sent at once.
    """

    offset: int = Field(default=0, ge=0)
    credit: int = Field(default=0, ge=0, le=MAX_CREDIT_BYTES)


class CreditRequest(ExecutionRequest):
    """Let the server send more bytes of an execution's output."""

    credit: int = Field(gt=0, le=MAX_CREDIT_BYTES)


class KillRequest(ExecutionRequest):
    """`Kill` over Socket.IO."""

    kill: Kill = Field(default_factory=Kill)


class InputRequest(ExecutionRequest):
    """`Input` over Socket.IO."""

    input: Input


class SignalRequest(ExecutionRequest):
    """`Signal` over Socket.IO."""

    signal: Signal


class ResizeRequest(ExecutionRequest):
    """Give a terminal another size."""

    size: TerminalSize


class ListRequest(SessionRequest):
    """A page of a session's executions.

    Attributes:
        after: The `next` of the page before.
        limit: Executions of a page.
    """

    after: UUID | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)


class ShellCommand(ExecutionRequest):
    """Run a command in a shell.

    Attributes:
        number: Counts the commands of this shell from 1, so that a repeated request runs nothing twice.
        command: Its text.
        timeout: Seconds until what it started is ended, and the shell with it where that does not help.
    """

    number: int = Field(ge=1)
    command: str
    timeout: Timeout | None = None


class ShellResult(Answer):
    """What came of a shell's command.

    Attributes:
        number: The command's.
        exit_code: Its exit code; that of the shell where the command ended it.
        timed_out: Whether it was ended at its timeout.
        start_offset: Where its output begins in the shell's.
        end_offset: Where it ends.
        output: The output, where it is small.
        ended: How the shell ended, where the command ended it.
    """

    number: int
    exit_code: int | None = None
    timed_out: bool = False
    start_offset: int
    end_offset: int
    output: "list[OutputChunk] | None" = None
    ended: Verdict | None = None


class OutputChunk(Answer):
    """A piece of output.

    Attributes:
        execution_id: Whose output.
        offset: Bytes of output before this piece, both streams counted together.
        type: The stream it was written to.
        data: The bytes, exactly; as text, they are base64.
        at: When the first of them came, in seconds from the execution's start.
    """

    execution_id: UUID
    offset: int
    type: OutputType
    data: bytes
    at: float = 0.0


class OutputGap(Answer):
    """Output that was dropped before this reader had it: bytes from `offset` up to `next_offset`."""

    execution_id: UUID
    offset: int
    next_offset: int


class Started(Answer):
    """The answer to a start over Socket.IO.

    Attributes:
        execution: The record, while it runs; `None` where the end came along.
        ended: The end, where `StartRequest.end_inline` was set and the command was quick.
    """

    execution: Execution | None = None
    ended: "ExecutionEnded | None" = None


class ExecutionEnded(Answer):
    """The end of an execution, sent to each reader after the last of its output.

    Attributes:
        execution: The final record.
        output: All output, where it is small (`INLINE_OUTPUT_BYTES`) and this reader asked for none before the end
            (credit 0); `None` otherwise.
    """

    execution: Execution
    output: list[OutputChunk] | None = None
