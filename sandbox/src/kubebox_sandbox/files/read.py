"""Reading a file whole: a descriptor from init, its bytes in pieces from worker threads."""

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass

from anyio import CancelScope

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.meanwhile import Meanwhile
from kubebox_sandbox.files.failures import ask, need_path, system_refusal
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.version import version_of
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace
from kubebox_sandbox.workspace.closer import Closer
from kubebox_sandbox.workspace.descriptors import check_kind

PIECE_BYTES = 512 * 1024
"""Bytes of a file that are read at a time, while as many are sent: a thread's hop costs less than the copy from here on."""

PERMISSIONS = 0o777
"""Those of a file's bits that another one may have too: who may, not as whom."""


@dataclass
class OpenFile:
    """A file that is open for reading; must be closed.

    Attributes:
        descriptor: Of a regular file.
        size: Its bytes when it was opened. What is written to it afterwards is not read.
        mode: Its permission bits.
        version: What its content is told by.
        path: In the client's words.
        closer: Takes the descriptor back.
    """

    descriptor: int
    size: int
    mode: int
    version: str
    path: str
    closer: Closer

    async def pieces(
        self, threads: FileThreads, start: int, count: int, *, steady: bool = False
    ) -> AsyncIterator[bytes]:
        """Its bytes from `start` on; fewer than `count` if it has shrunk meanwhile.

        Args:
            threads: Those that read.
            start: The first byte.
            count: How many.
            steady: Whether all of them must be of one version: the last piece is given when that is known.

        Raises:
            Refused: It can't be read, or is no longer that version.
        """
        reading = Meanwhile[bytes]()
        try:
            while count > 0:
                piece = await reading.settled()
                if piece is None:
                    piece = await self._read(threads, start, count)
                start += len(piece)
                count -= len(piece)
                if steady and (not piece or count == 0) and version_of(self.descriptor) != self.version:
                    raise Refused(ErrorCode.FILE_CHANGED, f"{self.path[:256]!r} changed while it was read")
                if not piece:
                    return
                if count > 0:
                    reading.begin(self._read(threads, start, count))
                yield piece
        finally:
            with CancelScope(shield=True):
                await reading.ended()

    async def _read(self, threads: FileThreads, start: int, count: int) -> bytes:
        try:
            return await threads.run(os.pread, self.descriptor, min(count, PIECE_BYTES), start)
        except OSError as error:
            raise system_refusal(error, self.path) from None

    def close(self) -> None:
        """Give the descriptor back."""
        self.closer.give([self.descriptor])


async def open_file(workspace: Workspace, session: Session, path: str) -> OpenFile:
    """Open a regular file of a session.

    Raises:
        Refused: It is missing, outside, or something else.
    """
    need_path(path)
    answer = await ask(workspace, "open", session, path, expected=1)
    (descriptor,) = answer.descriptors
    try:
        kind = check_kind(descriptor)
        if kind == stat.S_IFDIR:
            raise Refused(ErrorCode.IS_A_DIRECTORY, f"{path[:256]!r} is a directory")
        if kind != stat.S_IFREG:
            raise Refused(ErrorCode.FILE_NOT_REGULAR, f"{path[:256]!r} is not a regular file")
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode) & PERMISSIONS
        return OpenFile(descriptor, status.st_size, mode, version_of(descriptor), path, workspace.closer)
    except BaseException:  # Whatever goes wrong, the descriptor is ours to close.
        workspace.closer.give([descriptor])
        raise
