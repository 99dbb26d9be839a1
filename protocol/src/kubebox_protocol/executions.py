"""Executions: one run of one command, from what is asked for to its record."""

from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from kubebox_protocol.base import Answer, Request, Text, Written
from kubebox_protocol.limits import (
    MAX_ARGUMENTS,
    MAX_CREDIT_BYTES,
    MAX_PAGE,
    MAX_PATH_BYTES,
    MAX_STDIN_BYTES,
    MAX_TIMEOUT_SECONDS,
)
from kubebox_protocol.sessions import SessionId
from kubebox_protocol.verdicts import Verdict

Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False)]


class CommandMode(StrEnum):
    """What the caller does with the output.

    `STREAM` reads it as it comes; `WAIT` gets it whole at the end; `BACKGROUND` leaves the command running and comes back.
    """

    STREAM = "stream"
    WAIT = "wait"
    BACKGROUND = "background"


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
        user: Account to run as; by its name or number; needs a sandbox of profile `root`.
        stdin: All of its standard input (base64 in JSON); `None` for none.
        open_stdin: Whether its standard input stays open, for `Input`.
        terminal: Runs it in a terminal of this size. Its standard input stays open; all of its output is stdout's.
        shell: Runs a shell that takes commands one after the other; `command` is run in it first, and may be empty.
        lease: Seconds that it goes on while nobody reads it; then it is ended. `None` for no end.
    """

    execution_id: Written[UUID]
    command: Text | Annotated[list[Text], Field(max_length=MAX_ARGUMENTS)]
    mode: Written[CommandMode] = CommandMode.STREAM
    path: str | None = Field(default=None, max_length=MAX_PATH_BYTES)
    timeout: Timeout | None = None
    env: dict[Text, Text] = Field(default_factory=dict[str, str])
    user: str | None = Field(default=None, min_length=1, max_length=64)
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


class SessionRequest(Request):
    """A request about one session, over Socket.IO; REST has the session in its path."""

    session_id: SessionId


class ExecutionRequest(SessionRequest):
    """A request about one execution, over Socket.IO."""

    execution_id: Written[UUID]


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


class ListRequest(SessionRequest):
    """A page of a session's executions.

    Attributes:
        after: The `next` of the page before.
        limit: Executions of a page.
    """

    after: Written[UUID] | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)
