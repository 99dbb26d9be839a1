"""What is done to an execution while it runs: signals, input, another size, its end."""

from typing import Literal

from pydantic import Field

from kubebox_protocol.base import Answer, Request
from kubebox_protocol.executions import Execution, ExecutionRequest, TerminalSize
from kubebox_protocol.limits import MAX_INPUT_BYTES


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
