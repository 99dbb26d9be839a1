"""Files of a session."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from kubebox_protocol.base import Answer, Request
from kubebox_protocol.limits import (
    MAX_LIST_DEPTH,
    MAX_LIST_ENTRIES,
    MAX_PATH_BYTES,
    MAX_REGEX_LENGTH,
    MAX_REGEXES,
)

FileType = Literal["file", "directory", "symlink", "other"]


class FileInfo(Answer):
    """What is known of a file.

    Attributes:
        path: As asked for, or relative to the listed folder.
        type: What it is; `other` is a FIFO, a socket or a device.
        size: Bytes.
        mode: Permission bits.
        modified: Unix time in seconds.
        version: What its content is told by, for a write that replaces just this; `""` in listings, and from older servers.
    """

    path: str
    type: FileType
    size: int
    mode: int
    modified: float
    version: str = ""


class FileExists(Answer):
    """Whether something is there."""

    exists: bool


class FileWritten(Answer):
    """A write that is complete: the new content replaced the old in one step.

    Attributes:
        path: As asked for.
        size: Bytes.
        sha256: Of all of them.
        version: What the new content is told by; `""` from older servers.
    """

    path: str
    size: int
    sha256: str
    version: str = ""


class FileAppended(Answer):
    """Bytes are at the end of a file.

    Attributes:
        path: As asked for.
        appended: Bytes that came.
        size: Bytes of the whole file, then.
        version: What its content is told by.
    """

    path: str
    appended: int
    size: int
    version: str = ""


class FileEdited(FileWritten):
    """A text was replaced.

    Attributes:
        replaced: How often.
    """

    replaced: int


class FolderUnpacked(Answer):
    """An archive was unpacked whole.

    Attributes:
        path: The folder.
        entries: Files, folders and links that were made.
        size: Bytes of the files' content.
    """

    path: str
    entries: int
    size: int


class FromTo(Request):
    """From one name to another.

    Attributes:
        path: The name that is there.
        to: The other one.
        make_dirs: Make missing folders.
        replace: Whether something may be there: a file, and for a folder's new name an empty one.
    """

    path: str = Field(max_length=MAX_PATH_BYTES)
    to: str = Field(max_length=MAX_PATH_BYTES)
    make_dirs: bool = False
    replace: bool = True


class Rename(FromTo):
    """Give a file or a folder another name."""


class CopyFile(FromTo):
    """Copy a file."""


class EditFile(Request):
    """Replace a text in a file.

    Attributes:
        path: Its path.
        old: The text, UTF-8; not empty.
        new: What takes its place.
        count: How often it must be there; `None` for at least once. All of them are replaced.
    """

    path: str = Field(max_length=MAX_PATH_BYTES)
    old: str = Field(min_length=1)
    new: str
    count: int | None = Field(default=1, ge=1)


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
        depth: Levels of folders: 1 for what lies in the folder itself; all unless given.
    """

    path: str = Field(default="", max_length=MAX_PATH_BYTES)
    regexes: list[Annotated[str, StringConstraints(max_length=MAX_REGEX_LENGTH)]] | None = Field(
        default=None, max_length=MAX_REGEXES
    )
    files_only: bool = False
    max_entries: int = Field(default=MAX_LIST_ENTRIES, ge=1, le=MAX_LIST_ENTRIES)
    depth: int | None = Field(default=None, ge=1, le=MAX_LIST_DEPTH)


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
