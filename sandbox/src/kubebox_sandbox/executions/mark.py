"""Where output ended whose last part was dropped, said by the name of an empty file: that takes no room on a full disk."""

import logging
from pathlib import Path
from typing import Final

from kubebox_sandbox.executions.segment import DIGITS

logger = logging.getLogger(__name__)

SUFFIX: Final = ".end"
"""Of the file."""


class EndMark:
    """The file, as soon as there is one.

    Args:
        folder: Where it lies.
        name: The journal's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._path: Path | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self._path is not None

    def take(self, path: Path) -> int:
        """Take up one that an earlier server has left, and return the end that it tells."""
        self._path = path
        return int(path.stem.rpartition(".")[2])

    def write(self, end: int) -> None:
        """Let a server that starts anew know of this end."""
        mark = self._folder / f"{self._name}.{end:0{DIGITS}}{SUFFIX}"
        try:
            if self._path is None:
                mark.touch(mode=0o600)
            else:
                self._path.rename(mark)
        except OSError as error:
            logger.error("the end of the output of %s cannot be marked: %s", self._name, error.strerror)
            return
        self._path = mark

    def delete(self) -> None:
        """Remove it."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
