"""Models as Socket.IO carries them: JSON, but bytes stay bytes and travel beside it."""

from typing import Any, cast

from pydantic import ValidationError

from kubebox._transport.base import AnswerModel
from kubebox._transport.refusals import read_refusal
from kubebox.errors import AnswerInvalid
from kubebox_protocol.base import Request


def encode(request: Request) -> dict[str, Any]:
    """A request's fields; those at their default are left out, since an older server may not know them."""
    return request.model_dump(exclude_defaults=True)


def decode(answer: type[AnswerModel], value: Any) -> AnswerModel:
    """An answer's model.

    Raises:
        AnswerInvalid: It is not one.
    """
    try:
        return answer.model_validate(value)
    except ValidationError as error:
        # The values are left out: they may be anything, and long.
        places = ", ".join(".".join(map(str, detail["loc"])) or "all of it" for detail in error.errors())
        raise AnswerInvalid(f"the server's {answer.__name__} is malformed: {places}") from None


def open_answer(answer: type[AnswerModel], value: Any) -> AnswerModel:
    """What an event was answered with: `{"ok": …}` or `{"error": …}`.

    Raises:
        KubeboxError: The server refused.
        AnswerInvalid: It is neither.
    """
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if "error" in fields:
        raise read_refusal(fields["error"]) or AnswerInvalid("the server refused in a form that is not ours")
    if "ok" not in fields:
        raise AnswerInvalid("the server's answer is neither a result nor an error")
    return decode(answer, {} if fields["ok"] is None else fields["ok"])
