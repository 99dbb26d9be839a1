"""A file of this machine that is being written beside its place, and takes it whole or not at all."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from kubebox._local_files import DRAFT_MODE, NEW_DRAFT, PERMISSIONS, draft_name, told
from kubebox.errors import LocalFileError


class LocalDraft:
    """A file that is being written. All of it blocks, and is for a thread.

    Args:
        place: Where it shall be; a symbolic link there is followed, as it is the user's own.
        name: What it is called where its place is a folder.
    """

    def __init__(self, place: Path, name: str) -> None:
        self._place = place
        self._name = name
        self._draft: Path | None = None
        self._file = -1

    def begin(self) -> None:
        """Make it.

        Raises:
            LocalFileError: This machine does not take it.
        """
        with told(self._place):
            self._place = _target(self._place, self._name)
            draft = self._place.with_name(draft_name())
            self._file = os.open(draft, NEW_DRAFT, DRAFT_MODE)
            self._draft = draft

    def write(self, data: bytes | bytearray) -> None:
        """Write all of it."""
        with told(self._place):
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]

    def keep(self, mode: int, modified: float) -> None:
        """Put it into its place, in one step.

        Args:
            mode: Its permission bits.
            modified: When it was changed, Unix time.
        """
        with told(self._place):
            self._close()
            if self._draft is not None:
                moment = round(modified * 1e6) * 1000  # Finer than that, a float of today's time is not.
                os.utime(self._draft, ns=(moment, moment))
                os.chmod(self._draft, mode & PERMISSIONS)
                os.replace(self._draft, self._place)
                self._draft = None

    def discard(self) -> None:
        """Remove it, where it has not been kept."""
        self._close()
        if self._draft is not None:
            with suppress(OSError):
                os.unlink(self._draft)

    def _close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def _target(place: Path, name: str) -> Path:
    target = Path(os.path.realpath(place))
    if target.is_dir():
        target = Path(os.path.realpath(target / name))
    with suppress(FileNotFoundError):
        kind = os.lstat(target).st_mode
        if stat.S_ISDIR(kind):
            raise LocalFileError(f"{target}: a folder is there, and {name!r} is a file", path=str(target))
        if not stat.S_ISREG(kind):
            raise LocalFileError(f"{target}: it is no file, and is not replaced by one", path=str(target))
    return target
