"""Requests about one path, and what a client is told when they fail."""

import errno
from typing import Any

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Answer, Failed, Operation, Workspace, refusal


async def ask(
    workspace: Workspace, operation: str, session: Session, path: str, *, expected: int = 0, **fields: Any
) -> Answer:
    """Ask the workspace for something that concerns a path of a session.

    Raises:
        Refused: It cannot be done; says why in the client's terms.
    """
    place = session.place(path)
    try:
        return await workspace.request(operation, {**place, **fields}, expected=expected)
    except Failed as failed:
        raise file_refusal(failed, path) from None


def file_refusal(failed: Failed, path: str) -> Refused:
    """What a client is told of a failure at a path."""
    return refusal(failed, Operation.FILE, path)


def system_refusal(error: OSError, path: str) -> Refused:
    """What a client is told when the kernel refuses the server's own reading or writing."""
    name = errno.errorcode.get(error.errno or 0, "EIO")
    return refusal(Failed(name, "descriptor"), Operation.FILE, path)


def need_path(path: str) -> None:
    """Refuse a path that names no file.

    Raises:
        Refused: It is empty.
    """
    if not path.strip("/") or path in (".", ".."):
        raise Refused(ErrorCode.PATH_INVALID, "the path names no file")
