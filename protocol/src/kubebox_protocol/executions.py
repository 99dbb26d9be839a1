"""Executions: one run of one command, its output and its end."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from kubebox_protocol.base import Answer, Request
from kubebox_protocol.limits import (
    MAX_ARGUMENTS,
    MAX_CREDIT_BYTES,
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
        by: Who killed it, where somebody did: `client`, `timeout`.
        message: One sentence for a person.
    """

    kind: str
    exit_code: int | None = None
    signal: str | None = None
    by: str | None = None
    message: str


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
        stdin: Bytes for its standard input (base64 in JSON), which then ends; `None` for an empty one.
    """

    execution_id: UUID
    command: str | Annotated[list[str], Field(max_length=MAX_ARGUMENTS)]
    mode: CommandMode = CommandMode.STREAM
    path: str | None = Field(default=None, max_length=MAX_PATH_BYTES)
    timeout: Timeout | None = None
    env: dict[str, str] = Field(default_factory=dict[str, str])
    user: str | None = Field(default=None, max_length=64)
    stdin: bytes | None = Field(default=None, max_length=MAX_STDIN_BYTES)


class Execution(Answer):
    """The record of an execution.

    Attributes:
        execution_id: Its id; the public API calls it `process_id`.
        session_id: The session it belongs to.
        mode: The mode it was started in.
        state: `running` or `ended`.
        verdict: How it ended; `None` while it runs.
        started_at: Unix time in seconds. For people; durations are taken from a monotonic clock.
        duration: Seconds it has run.
        first_offset: The first output byte that is still held after the head.
        end_offset: Bytes of output so far, both streams together.
        dropped_bytes: Bytes of output that are no longer held.
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


class ExecutionList(Answer):
    """Executions of a session, oldest first."""

    executions: list[Execution]


class Kill(Request):
    """End an execution: SIGTERM to its whole tree, then SIGKILL after the grace.

    Attributes:
        grace: Seconds between the two.
    """

    grace: float = Field(default=2.0, ge=0, le=60, allow_inf_nan=False)


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


class OutputChunk(Answer):
    """A piece of output.

    Attributes:
        execution_id: Whose output.
        offset: Bytes of output before this piece, both streams counted together.
        type: The stream it was written to.
        data: The bytes, exactly.
    """

    execution_id: UUID
    offset: int
    type: OutputType
    data: bytes


class OutputGap(Answer):
    """Output that was dropped before this reader had it: bytes from `offset` up to `next_offset`."""

    execution_id: UUID
    offset: int
    next_offset: int


class Started(Execution):
    """The answer to a start over Socket.IO: the record, and the end where it came along.

    Attributes:
        ended: The end, where `StartRequest.end_inline` was set and the command was quick.
    """

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
