"""Writing a file whole.

Into a new file beside the old one, which takes its name in one step or not at all.
"""

import os
import stat
from collections.abc import AsyncIterator

from anyio import CancelScope

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileWritten
from kubebox_sandbox.files.failures import ask, file_refusal, need_path
from kubebox_sandbox.files.fill import Filling
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.version import version_of
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Answer, Failed, Workspace, said
from kubebox_sandbox.workspace.descriptors import check_kind, is_writable
from kubebox_sandbox.workspace.messages import Created

NEW_FILE_MODE = 0o644


async def write_file(
    workspace: Workspace,
    threads: FileThreads,
    session: Session,
    path: str,
    body: AsyncIterator[bytes],
    *,
    make_dirs: bool = False,
    mode: int = NEW_FILE_MODE,
    expected: str | None = None,
) -> FileWritten:
    """Write a file. Until its last byte is there, the old one stays.

    Args:
        workspace: Where it lies.
        threads: Those that write.
        session: Whose it is.
        path: Its path.
        body: Its bytes.
        make_dirs: Make missing folders.
        mode: Permission bits of a file that is new; one that is replaced gives on its own.
        expected: The version that must be there to be replaced; `""` for none at all, `None` for any.

    Raises:
        Refused: It cannot be written, or is not what was expected; nothing has changed.
    """
    need_path(path)
    created = await ask(workspace, "create", session, path, expected=1, make_dirs=make_dirs, mode=mode)
    (descriptor,) = created.descriptors
    # Waited for in the end: a program that is still open for writing cannot be run.
    async with workspace.closer.closing(descriptor):
        ticket = ticket_of(created)
        committed = False
        try:
            filling = Filling(threads, descriptor, path)
            await filling.take(body)
            committed = await commit(workspace, ticket, path, expected=expected)
            version = version_of(descriptor)
        finally:
            if not committed:
                with CancelScope(shield=True):  # Also where the client went away: the half file must go.
                    await abort(workspace, ticket)
    return FileWritten(path=path, size=filling.size, sha256=filling.sha256, version=version)


def ticket_of(created: Answer) -> int:
    """The ticket of a new file.

    Raises:
        Refused: It is something else.
    """
    (descriptor,) = created.descriptors
    status = os.fstat(descriptor)
    if check_kind(descriptor) != stat.S_IFREG or status.st_size != 0 or not is_writable(descriptor):
        raise Refused(ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed something else than a new file")
    return said(Created, created.fields).ticket


async def commit(
    workspace: Workspace,
    ticket: int,
    path: str,
    *,
    expected: str | None = None,
    modified_ns: int | None = None,
) -> bool:
    """Put a new file into its place.

    Raises:
        Refused: It is not to be put there; it is gone.
    """
    fields: dict[str, str | int] = {"ticket": ticket}
    if expected is not None:
        fields["expected"] = expected
    if modified_ns is not None:
        fields["modified_ns"] = modified_ns
    try:
        await workspace.request("commit", fields)
    except Failed as failed:
        if failed.what == "ticket":
            raise Refused(
                ErrorCode.WORKSPACE_RESTARTING, "the workspace began anew meanwhile, and what was new is gone"
            ) from None
        raise file_refusal(failed, path) from None
    return True


async def abort(workspace: Workspace, ticket: int) -> None:
    """Have a new file removed."""
    try:
        await workspace.request("abort", {"ticket": ticket})
    except (Refused, Failed):
        return  # A failed commit has removed it already; a workspace that is gone has nothing left to remove.
