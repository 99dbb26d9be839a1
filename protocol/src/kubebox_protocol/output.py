"""Output: who reads it from where, the pieces that it comes in, and its end."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from kubebox_protocol.base import Answer
from kubebox_protocol.executions import Execution, ExecutionRequest
from kubebox_protocol.limits import MAX_CREDIT_BYTES

OutputType = Literal["stdout", "stderr"]


class AttachRequest(ExecutionRequest):
    """Read an execution's output from an offset on, over Socket.IO, until it ends.

    Attributes:
        offset: The first byte wanted.
        credit: Bytes that may be sent at once.
        keep: Bytes of each stream that are wanted where it has more: one half of them from its beginning, the other from its end.
            What lies between is told as gaps, and costs no credit. Nothing comes before the execution has ended. 0 for all.
    """

    offset: int = Field(default=0, ge=0)
    credit: int = Field(default=0, ge=0, le=MAX_CREDIT_BYTES)
    keep: int = Field(default=0, ge=0)


class CreditRequest(ExecutionRequest):
    """Let the server send more bytes of an execution's output."""

    credit: int = Field(gt=0, le=MAX_CREDIT_BYTES)


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
    """Output that does not come: it was dropped before this reader had it, or the reader keeps less (`AttachRequest.keep`).

    Attributes:
        execution_id: Whose output.
        offset: The first byte that is missing.
        next_offset: The next one that is not.
        type: The stream that all missing bytes were written to, where that is known to be one.
    """

    execution_id: UUID
    offset: int
    next_offset: int
    type: OutputType | None = None


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
