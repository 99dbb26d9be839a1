"""Appending to a file, as a log is written: at its end, wherever that is by then."""

import os
import stat
from collections.abc import AsyncIterator

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileAppended
from kubebox_sandbox.files.failures import ask, need_path
from kubebox_sandbox.files.fill import Filling
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.version import version_of
from kubebox_sandbox.files.write import NEW_FILE_MODE
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace
from kubebox_sandbox.workspace.descriptors import check_kind, is_writable


async def append_file(
    workspace: Workspace,
    threads: FileThreads,
    session: Session,
    path: str,
    body: AsyncIterator[bytes],
    *,
    make_dirs: bool = False,
) -> FileAppended:
    """Write at a file's end; one that is missing is made. What has come when it fails stays there.

    Raises:
        Refused: It cannot be written.
    """
    need_path(path)
    opened = await ask(
        workspace, "append", session, path, expected=1, make_dirs=make_dirs, mode=NEW_FILE_MODE
    )
    (descriptor,) = opened.descriptors
    async with workspace.closer.closing(descriptor):
        if check_kind(descriptor) != stat.S_IFREG or not is_writable(descriptor):
            raise Refused(
                ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed something else than a file to append to"
            )
        filling = Filling(threads, descriptor, path)
        await filling.take(body)
        size, version = os.fstat(descriptor).st_size, version_of(descriptor)
    return FileAppended(path=path, appended=filling.size, size=size, version=version)
