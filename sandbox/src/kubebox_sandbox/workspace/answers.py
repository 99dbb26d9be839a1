"""What comes over the line, told apart: answers, to be checked against what was asked, and ends of executions."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import from_json

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.workspace.failures import Failed
from kubebox_sandbox.workspace.line import NO_ROOM
from kubebox_sandbox.workspace.messages import Exited, Failure, Misbehaved

MAX_LISTED: Final = 5
"""Descriptors of an answer that lists them: what the workspace keeps of one execution."""


def bytes_field(value: str | bytes) -> str:
    """A byte string as it goes over the line."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode("ascii")


@dataclass(frozen=True)
class Answer:
    """An answer: its fields, not yet checked, and its descriptors, which are the receiver's to close."""

    fields: dict[str, Any]
    descriptors: list[int] = field(default_factory=list[int])


@dataclass
class Pending:
    """A request whose answer is still due: how many descriptors it has to bring, or which of its fields counts them."""

    operation: str
    answer: asyncio.Future[Answer]
    expected: int
    counted_by: str | None
    timer: asyncio.TimerHandle


def settle(pending: Pending, message: dict[str, Any], descriptors: list[int]) -> bool:
    """Give an answer to whoever asked, and say whether its descriptors are theirs now.

    Raises:
        Misbehaved: It is none to that question.
    """
    try:
        outcome = _outcome(message)
        if descriptors is NO_ROOM and _due(pending, outcome):
            outcome = Refused(ErrorCode.WORKSPACE_EXHAUSTED, "the server has no descriptors left")
        else:
            expect(descriptors, _due(pending, outcome))
    except Misbehaved as misbehaved:
        if not pending.answer.done():
            pending.answer.set_exception(
                Refused(ErrorCode.WORKSPACE_MISBEHAVED, f"the workspace misbehaved: {misbehaved}")
            )
        raise
    if pending.answer.done():  # Whoever asked was cancelled; what came for it is closed.
        return False
    if isinstance(outcome, (Failed, Refused)):
        pending.answer.set_exception(outcome)
        return False
    pending.answer.set_result(Answer(outcome, descriptors))
    return True


def _due(pending: Pending, outcome: dict[str, Any] | Failed) -> int:
    if isinstance(outcome, Failed):
        return 0
    if pending.counted_by is None:
        return pending.expected
    listed: Any = outcome.get(pending.counted_by)
    if not isinstance(listed, list) or len(cast("list[Any]", listed)) > MAX_LISTED:
        raise Misbehaved("an answer that does not list its descriptors")
    if not all(type(place) is int for place in cast("list[Any]", listed)):
        raise Misbehaved("an answer that lists descriptors by what is no number")
    return len(cast("list[Any]", listed))


def _outcome(message: dict[str, Any]) -> dict[str, Any] | Failed:
    if "error" in message:
        try:
            failure = Failure.model_validate(message["error"])
        except ValidationError:
            raise Misbehaved("a malformed error") from None
        return Failed(failure.errno, failure.what, failure.entry)
    fields: Any = message.get("ok")
    if not isinstance(fields, dict):
        raise Misbehaved("an answer that is neither ok nor an error")
    return cast("dict[str, Any]", fields)


def look_at(answer: asyncio.Future[Answer]) -> None:
    """For an answer that perhaps nobody waits for any more, when it is there: asyncio would complain of its error."""
    if not answer.cancelled():
        answer.exception()


def parse(packet: bytes) -> dict[str, Any]:
    """Read a packet.

    Raises:
        Misbehaved: It is not a JSON object.
    """
    try:
        message: Any = from_json(packet, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        raise Misbehaved("a packet that is not JSON") from None
    if not isinstance(message, dict):
        raise Misbehaved("a packet that is not an object")
    return cast("dict[str, Any]", message)


def read_exited(message: dict[str, Any]) -> Exited:
    """Read an execution's end.

    Raises:
        Misbehaved: It is none.
    """
    try:
        return Exited.model_validate(message)
    except ValidationError:
        raise Misbehaved("a malformed event") from None


def expect(descriptors: list[int], expected: int) -> None:
    """Check how many descriptors came.

    Raises:
        Misbehaved: Fewer, or more.
    """
    if len(descriptors) != expected:
        raise Misbehaved(f"{len(descriptors)} descriptors where {expected} belong")
