"""Changes that were not sent yet: bounded, and what is alike is one."""

from typing import Any, Final

from pydantic_core import to_json

from kubebox_protocol.watches import TOP, ChangeType

MAX_PENDING_BYTES: Final = 2 * 1024 * 1024
"""Bytes of changes that wait for a slow reader: some 8,000, as of a large repository that is cloned. Who would be told of more
looks at all of it anyway."""

CHANGE_BYTES: Final = 200
"""Bytes that one change takes besides its paths."""

PIECE_BYTES: Final = 64 * 1024
"""Bytes of lines that are sent at once."""


class PendingChanges:
    """The changes of one watch, in their order."""

    def __init__(self) -> None:
        self._changes: list[dict[str, Any]] = []
        self._latest: dict[str, ChangeType] = {}  # of each path, since something last lost its name
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._changes)

    def created(self, path: bytes) -> None:
        """Something is there."""
        self._told("created", path)

    def modified(self, path: bytes) -> None:
        """Something is not what it was. Of what is new that goes without saying."""
        self._told("modified", path)

    def deleted(self, path: bytes) -> None:
        """Something is there no more, and nor is what was beneath it."""
        self._latest.clear()
        self._told("deleted", path)

    def renamed(self, former: bytes, path: bytes) -> None:
        """Something has another path, and what is beneath it too."""
        self._latest.clear()
        try:
            before, after = former.decode(), path.decode()
        except UnicodeDecodeError:
            self.deleted(former)
            self.created(path)
            return
        self._add({"type": "renamed", "path": after, "from_path": before}, len(former) + len(path))

    def overflow(self) -> None:
        """Something was not told. That makes what waits to be told needless."""
        self._changes.clear()
        self._latest.clear()
        self._bytes = CHANGE_BYTES
        self._changes.append({"type": "overflow", "path": TOP})

    def take(self) -> list[bytes]:
        """What there is, as pieces of lines."""
        pieces: list[bytes] = []
        piece = bytearray()
        for change in self._changes:
            piece += to_json(change) + b"\n"
            if len(piece) >= PIECE_BYTES:
                pieces.append(bytes(piece))
                piece.clear()
        if piece:
            pieces.append(bytes(piece))
        self._changes.clear()
        self._latest.clear()
        self._bytes = 0
        return pieces

    def _told(self, kind: ChangeType, path: bytes) -> None:
        try:
            name = path.decode()
        except UnicodeDecodeError:  # It cannot be said, but the folder that it is in can.
            kind, name = "modified", _speakable(path)
        latest = self._latest.get(name)
        if kind == latest or (kind == "modified" and latest == "created"):
            return
        self._latest[name] = kind
        self._add({"type": kind, "path": name}, len(path))

    def _add(self, change: dict[str, Any], size: int) -> None:
        self._bytes += size + CHANGE_BYTES
        if self._bytes > MAX_PENDING_BYTES:
            self.overflow()
        else:
            self._changes.append(change)


def _speakable(path: bytes) -> str:
    while path:
        path = path.rpartition(b"/")[0]
        try:
            return path.decode() or TOP
        except UnicodeDecodeError:
            continue
    return TOP
