"""Writing a file whole.

Into a new file beside the old one, which takes its name in one step or not at all.
"""

import hashlib
import os
import stat
from collections.abc import AsyncIterator

from anyio import CancelScope

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileWritten
from kubebox_sandbox.files.failures import ask, file_refusal, need_path, system_refusal
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Answer, Failed, Workspace, said
from kubebox_sandbox.workspace.descriptors import check_kind, is_writable
from kubebox_sandbox.workspace.messages import Created

PIECE_BYTES = 512 * 1024
"""Bytes of a body in memory before they are written."""

NEW_FILE_MODE = 0o644


async def write_file(
    workspace: Workspace,
    threads: FileThreads,
    session: Session,
    path: str,
    body: AsyncIterator[bytes],
    *,
    make_dirs: bool = False,
) -> FileWritten:
    """Write a file. Until its last byte is there, the old one stays.

    Raises:
        Refused: It cannot be written; nothing has changed.
    """
    need_path(path)
    created = await ask(
        workspace, "create", session, path, expected=1, make_dirs=make_dirs, mode=NEW_FILE_MODE
    )
    (descriptor,) = created.descriptors
    try:
        ticket = _check(created)
        committed = False
        try:
            size, digest = await _fill(threads, descriptor, path, body)
            committed = await _commit(workspace, ticket, path)
        finally:
            if not committed:
                with CancelScope(shield=True):  # Also where the client went away: the half file must go.
                    await _abort(workspace, ticket)
    except BaseException:  # Whatever goes wrong, the descriptor is ours to close.
        workspace.closer.give([descriptor])
        raise
    # Waited for: a program that is still open for writing cannot be run.
    await workspace.closer.close(descriptor)
    return FileWritten(path=path, size=size, sha256=digest)


def _check(created: Answer) -> int:
    (descriptor,) = created.descriptors
    status = os.fstat(descriptor)
    if check_kind(descriptor) != stat.S_IFREG or status.st_size != 0 or not is_writable(descriptor):
        raise Refused(ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed something else than a new file")
    return said(Created, created.fields).ticket


async def _fill(
    threads: FileThreads, descriptor: int, path: str, body: AsyncIterator[bytes]
) -> tuple[int, str]:
    hashed, size = hashlib.sha256(), 0
    waiting: list[bytes] = []
    waiting_bytes = 0

    def write_out(pieces: list[bytes]) -> None:
        # A descriptor of the thread's own: where the thread was given up, the number may mean another file
        # by now.
        own = os.dup(descriptor)
        try:
            for piece in pieces:
                hashed.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[os.write(own, view) :]
        finally:
            os.close(own)

    try:
        async for piece in body:
            waiting.append(piece)
            waiting_bytes += len(piece)
            size += len(piece)
            if waiting_bytes >= PIECE_BYTES:
                await threads.run(write_out, waiting)
                waiting, waiting_bytes = [], 0
        if waiting_bytes:
            await threads.run(write_out, waiting)
    except OSError as error:
        raise system_refusal(error, path) from None
    return size, hashed.hexdigest()


async def _commit(workspace: Workspace, ticket: int, path: str) -> bool:
    try:
        await workspace.request("commit", {"ticket": ticket})
    except Failed as failed:
        raise file_refusal(failed, path) from None
    return True


async def _abort(workspace: Workspace, ticket: int) -> None:
    try:
        await workspace.request("abort", {"ticket": ticket})
    except (Refused, Failed):
        return  # A failed commit has removed it already; a workspace that is gone has nothing left to remove.
