"""What models take for what: fields that they do not know, and values that are not quite what a field should be."""

from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict, StringConstraints

T = TypeVar("T")


class Request(BaseModel):
    """What a client asks.

    An unknown field is refused: it is a misspelt option, and ignoring it would be a lie. So is a value of another type, however
    it could be read as one that fits: `open_stdin: "no"` would be true, and one door must not take what the other one refuses.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, val_json_bytes="base64", ser_json_bytes="base64"
    )


class Answer(BaseModel):
    """What a server says. An unknown field is ignored: a newer server must not break an older client."""

    model_config = ConfigDict(extra="ignore", frozen=True, val_json_bytes="base64", ser_json_bytes="base64")


def _no_bytes(value: Any) -> Any:
    if isinstance(value, bytes):
        raise ValueError("this is text, not a binary part")
    return value


Written: TypeAlias = Annotated[T, Strict(False), BeforeValidator(_no_bytes)]
"""What JSON has no type for, and is text on the wire: ids, names of a closed list. In what was parsed already, as over Socket.IO,
a strict field would take nothing but Python's own."""

Text: TypeAlias = Annotated[str, StringConstraints(min_length=0)]
"""Text that UTF-8 can carry. JSON's escapes can write halves of characters; pydantic looks only where there is a bound."""
