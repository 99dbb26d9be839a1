"""How an execution ended, or a sandbox: a kind, and what the kernel and the server know of it."""

from enum import StrEnum

from kubebox_protocol.base import Answer


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
        by: Who killed it, where somebody did: `client`, `timeout`, `lease`; `server` a shell that takes no more commands.
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
