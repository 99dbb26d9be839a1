"""Reading a file whole: a descriptor from init, its bytes in pieces from worker threads."""

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.files.failures import ask, need_path, system_refusal
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace
from kubebox_sandbox.workspace.closer import Closer
from kubebox_sandbox.workspace.descriptors import check_kind

PIECE_BYTES = 512 * 1024
"""Bytes of a file in memory at a time: a thread's hop costs less than the copy from here on."""


@dataclass
class OpenFile:
    """A file that is open for reading; must be closed.

    Attributes:
        descriptor: Of a regular file.
        size: Its bytes when it was opened. What is written to it afterwards is not read.
        path: In the client's words.
        closer: Takes the descriptor back.
    """

    descriptor: int
    size: int
    path: str
    closer: Closer

    async def pieces(self, threads: FileThreads, start: int, count: int) -> AsyncIterator[bytes]:
        """Its bytes from `start` on; fewer than `count` if it has shrunk meanwhile.

        Raises:
            Refused: It can't be read.
        """
        while count > 0:
            try:
                piece = await threads.run(os.pread, self.descriptor, min(count, PIECE_BYTES), start)
            except OSError as error:
                raise system_refusal(error, self.path) from None
            if not piece:
                return
            start += len(piece)
            count -= len(piece)
            yield piece

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
        return OpenFile(descriptor, os.fstat(descriptor).st_size, path, workspace.closer)
    except BaseException:  # Whatever goes wrong, the descriptor is ours to close.
        workspace.closer.give([descriptor])
        raise
