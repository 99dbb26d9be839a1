"""The way from a folder to where a file is to lie, by descriptors: no symlink is ever followed."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from kubebox._local_files import DRAFT_MODE, NEW_DRAFT, draft_name
from kubebox.errors import LocalFileError

_FOLDER: Final = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)
WORKING_MODE: Final = 0o700
"""What the owner needs of a folder while it is filled; its own mode comes at the end."""


class Draft:
    """A file that is being written beside its place. It goes again unless it is kept."""

    def __init__(self, parent: int, name: str, draft: str) -> None:
        self._parent = parent
        self._name = name
        self._draft = draft
        self._file = os.open(self._draft, NEW_DRAFT, DRAFT_MODE, dir_fd=parent)
        self._kept = False

    def write(self, data: bytes) -> None:
        """Write all of it."""
        written = os.write(self._file, data)
        while written < len(data):
            written += os.write(self._file, memoryview(data)[written:])

    def keep(self, mode: int, mtime: float) -> None:
        """Put it into its place, in one step. A symlink of that name is replaced, not followed."""
        if mode != DRAFT_MODE:
            os.fchmod(self._file, mode)
        os.utime(self._file, (mtime, mtime))
        os.rename(self._draft, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self._kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
        if not self._kept:
            with suppress(OSError):
                os.unlink(self._draft, dir_fd=self._parent)


class Trail:
    """Keeps the folders open that the last entry led through: the next one is mostly their neighbour.

    Args:
        top: The folder that nothing leads out of.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._names: list[str] = []
        self._open = [os.open(top, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))]
        self._modes: list[tuple[list[str], int, float]] = []
        self._drafts = draft_name()
        self._drafted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def draft(self, names: list[str]) -> Draft:
        """A new file beside the place of that name."""
        return Draft(self._enter(names[:-1]), names[-1], self._draft_name())

    def symlink(self, names: list[str], target: str) -> None:
        """Make a symlink; a file of that name is replaced in one step."""
        parent = self._enter(names[:-1])
        draft = self._draft_name()
        os.symlink(target, draft, dir_fd=parent)
        try:
            os.rename(draft, names[-1], src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(draft, dir_fd=parent)
            raise

    def folder(self, names: list[str], mode: int, mtime: float) -> None:
        """Make a folder, or find it. Its mode and time come when all is in it."""
        self._enter(names)
        if names:
            self._modes.append((names, mode, mtime))

    def finish(self) -> None:
        """Give folders their modes and times, the inner ones first."""
        for names, mode, mtime in reversed(self._modes):
            folder = self._enter(names)
            os.fchmod(folder, mode)
            os.utime(folder, (mtime, mtime))

    def _draft_name(self) -> str:
        """Of what has no name of its own yet; nobody else's, and nobody's guess."""
        self._drafted += 1
        return f"{self._drafts}-{self._drafted}"

    def _enter(self, names: list[str]) -> int:
        if names == self._names:
            return self._open[-1]
        same = 0
        while same < min(len(names), len(self._names)) and names[same] == self._names[same]:
            same += 1
        while len(self._names) > same:
            self._names.pop()
            os.close(self._open.pop())
        for name in names[same:]:
            self._open.append(self._step(self._open[-1], name, names))
            self._names.append(name)
        return self._open[-1]

    def _step(self, parent: int, name: str, names: list[str]) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, WORKING_MODE, dir_fd=parent)
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except NotADirectoryError:
            path = os.path.join(self._top, *names)
            raise LocalFileError(
                f"{path}: {name!r} on the way there is a file or a symbolic link, and is not followed",
                path=path,
            ) from None
