"""Files of a session."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from kubebox_protocol.base import Answer, Request
from kubebox_protocol.limits import MAX_LIST_ENTRIES, MAX_PATH_BYTES, MAX_REGEX_LENGTH, MAX_REGEXES

FileType = Literal["file", "directory", "symlink", "other"]


class FileInfo(Answer):
    """What is known of a file.

    Attributes:
        path: As asked for, or relative to the listed folder.
        type: What it is; `other` is a FIFO, a socket or a device.
        size: Bytes.
        mode: Permission bits.
        modified: Unix time in seconds.
    """

    path: str
    type: FileType
    size: int
    mode: int
    modified: float


class FileExists(Answer):
    """Whether something is there."""

    exists: bool


class FileWritten(Answer):
    """A write that is complete: the new content replaced the old in one step."""

    path: str
    size: int
    sha256: str


class MakeDirectories(Request):
    """Make a folder and those above it."""

    path: str = Field(max_length=MAX_PATH_BYTES)


class ListFiles(Request):
    """List what is beneath a folder.

    Attributes:
        path: The folder, relative to the session's.
        regexes: RE2 patterns searched for in each path relative to the session's folder; any match keeps the entry.
        files_only: Leave out folders.
        max_entries: Entries after which the listing is cut.
    """

    path: str = Field(default="", max_length=MAX_PATH_BYTES)
    regexes: list[Annotated[str, StringConstraints(max_length=MAX_REGEX_LENGTH)]] | None = Field(
        default=None, max_length=MAX_REGEXES
    )
    files_only: bool = False
    max_entries: int = Field(default=MAX_LIST_ENTRIES, ge=1, le=MAX_LIST_ENTRIES)


class FileList(Answer):
    """A listing, sorted by path.

    Attributes:
        entries: What was found.
        partial: Why the listing is not complete (`entries`, `time`, `error`), or `None` when it is.
        undecodable: Names that are not UTF-8 and so are not in `entries`.
    """

    entries: list[FileInfo]
    partial: Literal["entries", "time", "error"] | None = None
    undecodable: int = 0
