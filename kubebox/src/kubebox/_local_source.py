"""A file of this machine that is being read, from any offset, hashed once on the way."""

import hashlib
import os
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

from anyio import CancelScope

from kubebox._finishing import finish
from kubebox._local_files import PERMISSIONS, changed, told
from kubebox.errors import LocalFileError
from kubebox_protocol.meanwhile import Meanwhile

PIECE_BYTES: Final = 512 * 1024
"""Bytes that are read at once, in a thread, while as many are sent: its hop costs less than the copy from here on."""


class LocalSource:
    """A file that is being sent.

    Args:
        path: The file.

    Attributes:
        size: Its bytes.
        mode: Its permission bits.
        modified_ns: When it was changed.
        is_sent: Whether its last byte has been given.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._reading = Meanwhile[bytes]()
        self._hashed = hashlib.sha256()
        self._hashed_bytes = 0
        self.size = 0
        self.mode = 0
        self.modified_ns = 0
        self.is_sent = False

    @property
    def sha256(self) -> str:
        """Of what has been given."""
        return self._hashed.hexdigest()

    def open(self) -> None:
        """Open it. This blocks.

        Raises:
            LocalFileError: It cannot be read, or is no file.
        """
        with told(self._path):
            flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
            self._file = os.open(self._path, os.O_RDONLY | flags)
            status = os.fstat(self._file)
        if not stat.S_ISREG(status.st_mode):
            raise LocalFileError(f"{self._path}: it is neither a file nor a folder", path=str(self._path))
        self.size, self.modified_ns = status.st_size, status.st_mtime_ns
        self.mode = stat.S_IMODE(status.st_mode) & PERMISSIONS

    async def close(self) -> None:
        """Close it."""
        with CancelScope(shield=True):
            await self._reading.ended()
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    async def pieces(self, offset: int, on_progress: Callable[[int], object] | None) -> AsyncGenerator[bytes]:
        """Its bytes from an offset on. The last ones are given when it is known that it has held still.

        Raises:
            LocalFileError: It has not.
        """
        await (
            self._reading.ended()
        )  # For a connection that was cut: two threads at once would hash as they come.
        while offset < self.size:
            piece = await self._reading.settled()
            if piece is None:
                piece = await finish(self._read, offset)
            offset += len(piece)
            self.is_sent = offset == self.size
            if offset < self.size:
                self._reading.begin(finish(self._read, offset))
            yield piece
            if on_progress is not None:
                on_progress(offset)
        self.is_sent = True

    def _read(self, offset: int) -> bytes:
        with told(self._path):
            os.lseek(self._file, offset, os.SEEK_SET)
            piece = os.read(self._file, min(PIECE_BYTES, self.size - offset))
            end = offset + len(piece)
            if not piece or end == self.size:
                now = os.fstat(self._file)
                if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
                    raise changed(self._path)
        # What is sent again after a cut was hashed the first time.
        if end > self._hashed_bytes:
            self._hashed.update(memoryview(piece)[self._hashed_bytes - offset :])
            self._hashed_bytes = end
        return piece
