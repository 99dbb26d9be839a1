"""Copying a file: read and written by the server, so that the copy appears in one step, as any file does."""

from contextlib import closing

from kubebox_protocol.files import CopyFile, FileWritten
from kubebox_sandbox.files.read import open_file
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.write import write_file
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace


async def copy_file(
    workspace: Workspace, threads: FileThreads, session: Session, asked: CopyFile
) -> FileWritten:
    """Copy a file, with its permission bits.

    Raises:
        Refused: One of them is missing, outside or something else; nothing has changed.
    """
    with closing(await open_file(workspace, session, asked.path)) as source:
        return await write_file(
            workspace,
            threads,
            session,
            asked.to,
            source.pieces(threads, 0, source.size),
            make_dirs=asked.make_dirs,
            mode=source.mode,
            expected=None if asked.replace else "",
        )
