"""Another name for a file or a folder, in one step."""

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import Rename
from kubebox_sandbox.files.failures import file_refusal, need_path
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Failed, Workspace, bytes_field


async def rename(workspace: Workspace, session: Session, asked: Rename) -> None:
    """Rename; what is there under the new name is replaced, unless it must not be.

    Raises:
        Refused: One of the names is missing, outside or taken; nothing has changed.
    """
    need_path(asked.path)
    need_path(asked.to)
    fields = {
        **session.place(asked.path),
        "to": bytes_field(session.relative(asked.to)),
        "make_dirs": asked.make_dirs,
        "exclusive": not asked.replace,
    }
    try:
        await workspace.request("rename", fields)
    except Failed as failed:
        raise _refusal(failed, asked) from None


def _refusal(failed: Failed, asked: Rename) -> Refused:
    if failed.what == "request" and failed.errno == "EXDEV":
        return Refused(
            ErrorCode.INVALID_REQUEST,
            f"{asked.path[:256]!r} and {asked.to[:256]!r} lie on different file systems; copy, and delete",
        )
    if failed.errno == "EOPNOTSUPP":
        return Refused(
            ErrorCode.INVALID_REQUEST, "this file system cannot rename without replacing in one step"
        )
    return file_refusal(failed, asked.to if failed.what == "to" else asked.path)
