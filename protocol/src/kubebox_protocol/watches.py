"""A folder's changes as they travel: one JSON object a line, for as long as somebody watches."""

from typing import Final, Literal, TypeAlias, get_args

from kubebox_protocol.base import Answer
from kubebox_protocol.errors import ErrorBody

ChangeType: TypeAlias = Literal["created", "modified", "deleted", "renamed", "overflow"]

CHANGE_TYPES: Final = frozenset[str](get_args(ChangeType))

ALIVE: Final = "alive"
"""The type of a line that says nothing but that the watch is in place: the first one, and each after some silence."""

ENDED: Final = "ended"
"""The type of the last line, which says by an error why no more is seen."""

TOP: Final = "."
"""The path of the watched folder itself."""

WATCH_SILENCE_SECONDS: Final = 10.0
"""Seconds without a change after which the server says that it is there. A client takes thirty for a cut."""

MAX_LINE_BYTES: Final = 64 * 1024
"""Bytes of a line: two of the longest paths, each of whose bytes JSON makes six."""


class FileChange(Answer):
    """A change of something in a watched folder.

    Attributes:
        path: What has changed, relative to the watched folder; `.` is that folder itself.
        type: `created`; `modified`: its content, permission bits or times; `deleted`; `renamed`; or `overflow`: more has
            changed than is told, anywhere beneath `path`, so look again yourself.
        from_path: Its former path, where it was renamed.
    """

    path: str
    type: ChangeType
    from_path: str | None = None


class WatchLine(Answer):
    """A line. One of a type that is not known says nothing to an older client.

    Attributes:
        type: A `ChangeType`, `ALIVE` or `ENDED`.
        path: Of a change.
        from_path: The same.
        error: Of the end.
    """

    type: str
    path: str = TOP
    from_path: str | None = None
    error: ErrorBody | None = None

    @property
    def change(self) -> FileChange | None:
        """The change, where it tells of one."""
        if self.type not in CHANGE_TYPES:
            return None
        return FileChange.model_validate(self.model_dump(exclude={"error"}))
