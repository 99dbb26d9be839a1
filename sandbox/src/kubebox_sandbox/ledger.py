"""What a server that starts anew has to know, written down line by line before it counts.

Each line is one JSON object. There is no fsync: it is for a server that was killed, not for a node that lost its power, and
its sandbox with it.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

from pydantic_core import to_json

from kubebox_protocol.errors import ErrorCode, Refused

REWRITE_BYTES: Final = 8 * 1024 * 1024
"""Bytes that are added until the ledger is worth writing anew, with what still holds alone: some 20,000 commands."""


class Ledger:
    """A file of entries that only grows, until it is written anew.

    Args:
        path: The file; made where it is missing.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _open(path)
        self._size = os.fstat(self._descriptor).st_size
        self._rewritten = 0

    @property
    def is_long(self) -> bool:
        """Whether it has grown enough to be written anew."""
        return self._size - self._rewritten > REWRITE_BYTES

    def entries(self) -> list[dict[str, Any]]:
        """What was written. A last line without its end was not; nor was anything that is no entry."""
        found: list[dict[str, Any]] = []
        whole, end, _ = self._path.read_bytes().rpartition(b"\n")
        self._size = len(whole) + len(end)
        os.ftruncate(self._descriptor, self._size)
        for line in whole.splitlines():
            try:
                entry: Any = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(cast("dict[str, Any]", entry))
        return found

    def append(self, entry: dict[str, Any]) -> None:
        """Write an entry.

        Raises:
            Refused: `journal-unavailable`: the disk does not take it, and nothing is left of it.
        """
        line = _line(entry)
        try:
            if os.pwrite(self._descriptor, line, self._size) != len(line):
                raise OSError(None, "no room for a whole entry")
        except OSError as error:
            os.ftruncate(self._descriptor, self._size)
            raise Refused(
                ErrorCode.JOURNAL_UNAVAILABLE,
                f"the sandbox's own disk takes no more records ({error.strerror}); nothing was started",
            ) from None
        self._size += len(line)

    def rewrite(self, entries: Iterable[dict[str, Any]]) -> None:
        """Write it anew, in one step.

        Raises:
            OSError: The disk does not take it; the old one holds on.
        """
        draft = self._path.with_suffix(".new")
        content = b"".join(map(_line, entries))
        draft.write_bytes(content)
        os.replace(draft, self._path)
        self.close()
        self._descriptor = _open(self._path)
        self._size = self._rewritten = len(content)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _line(entry: dict[str, Any]) -> bytes:
    return to_json(entry) + b"\n"
