"""What init may say, as strict models: types, signs and sizes are checked before anything is used."""

from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileType

FILE_TYPES: Final[dict[str, FileType]] = {"f": "file", "d": "directory", "l": "symlink", "o": "other"}
"""init's letters for what a file is."""

MAX_INTEGER = 2**63 - 1
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class Said(BaseModel):
    """Something that the workspace says."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class Hello(Said):
    """The first packet of a line."""

    event: Literal["hello"]
    version: Literal[1]
    secret: str = Field(default="", max_length=256)


class Exited(Said):
    """The first process of an execution has ended."""

    event: Literal["exited"]
    execution: str = Field(max_length=64)
    code: int | None = Field(default=None, ge=0, le=255)
    signal: int | None = Field(default=None, ge=1, le=64)
    user_us: Count = 0
    system_us: Count = 0
    max_rss_kib: int = Field(default=0, ge=0, le=MAX_INTEGER // 1024)


class Running(Said):
    """An execution that the workspace knows."""

    execution: str = Field(max_length=64)
    ended: bool = False


class Runs(Said):
    """Executions that the workspace knows, and whether there are more."""

    executions: list[Running] = Field(max_length=1024)
    more: bool = False


class Adopted(Said):
    """The places of the descriptors that come along."""

    kept: list[int]


class Failure(Said):
    """An operation that the kernel or init refused."""

    errno: str = Field(max_length=32)
    what: str = Field(default="", max_length=4096)
    entry: Count = 0


class Signalled(Said):
    """What a signal reached, and what is left."""

    signalled: Count = 0
    survivors: Count = 0


class Created(Said):
    """A new file that waits for its name."""

    ticket: int


class Status(Said):
    """What a file is."""

    type: Literal["f", "d", "l", "o"]
    size: Count
    mode: int = Field(ge=0, le=0o7777)
    modified_ns: int = Field(ge=-MAX_INTEGER, le=MAX_INTEGER)
    version: str = Field(default="", max_length=80)


class Listed(Said):
    """How a listing went."""

    entries: Count
    partial: Literal["", "entries", "time", "error"] | None = None


class Unpacked(Said):
    """What was in an archive."""

    entries: Count
    bytes: Count


class Misbehaved(Exception):
    """The workspace broke the rules of the line. The text says which, for the log."""


AnyModel = TypeVar("AnyModel", bound=Said)


def said(model: type[AnyModel], fields: dict[str, Any]) -> AnyModel:
    """Read an answer's fields.

    Raises:
        Refused: `workspace-misbehaved`, where they are not what they have to be.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Refused(
            ErrorCode.WORKSPACE_MISBEHAVED, f"the workspace answered nonsense ({model.__name__}.{place})"
        ) from None
