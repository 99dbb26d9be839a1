"""Small operations on names: exists, stat, delete, make directories."""

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileExists, FileInfo
from kubebox_sandbox.files.failures import ask, need_path
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace, said
from kubebox_sandbox.workspace.messages import FILE_TYPES, Status

FOLDER_MODE = 0o755


async def stat(workspace: Workspace, session: Session, path: str) -> FileInfo:
    """What is known of a file.

    Raises:
        Refused: It is missing or outside.
    """
    answer = await ask(workspace, "stat", session, path)
    status = said(Status, answer.fields)
    return FileInfo(
        path=path,
        type=FILE_TYPES[status.type],
        size=status.size,
        mode=status.mode,
        modified=status.modified_ns / 1e9,
        version=status.version,
    )


async def exists(workspace: Workspace, session: Session, path: str) -> FileExists:
    """Whether something is there.

    Raises:
        Refused: It is outside, or can't be known.
    """
    need_path(path)
    try:
        await ask(workspace, "stat", session, path)
    except Refused as refused:
        if refused.code in (ErrorCode.FILE_NOT_FOUND, ErrorCode.NOT_A_DIRECTORY):
            return FileExists(exists=False)
        raise
    return FileExists(exists=True)


async def delete(workspace: Workspace, session: Session, path: str, *, recursive: bool) -> None:
    """Delete a file, a link, or a folder.

    Raises:
        Refused: It is missing or outside, or a folder that is not empty.
    """
    need_path(path)
    await ask(workspace, "remove", session, path, recursive=recursive)


async def make_directories(workspace: Workspace, session: Session, path: str) -> None:
    """Make a folder and those above it.

    Raises:
        Refused: It can't be made.
    """
    await ask(workspace, "make_dirs", session, path, mode=FOLDER_MODE)
