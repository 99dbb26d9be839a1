"""Editing a file: replacing a text in it, where it is there as often as the caller thinks."""

from collections.abc import AsyncIterator
from contextlib import closing

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import EditFile, FileEdited
from kubebox_protocol.limits import MAX_EDIT_BYTES
from kubebox_sandbox.files.read import open_file
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.write import write_file
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace


async def edit_file(
    workspace: Workspace, threads: FileThreads, session: Session, asked: EditFile
) -> FileEdited:
    """Replace a text in a file by another.

    Raises:
        Refused: It is not there as often as expected, or the file is too large or was changed meanwhile; nothing has changed.
    """
    with closing(await open_file(workspace, session, asked.path)) as file:
        if file.size > MAX_EDIT_BYTES:
            raise Refused(
                ErrorCode.PAYLOAD_TOO_LARGE,
                f"{asked.path[:256]!r} has {file.size} bytes; what can be edited has at most {MAX_EDIT_BYTES}",
                limit=MAX_EDIT_BYTES,
            )
        content = b"".join([piece async for piece in file.pieces(threads, 0, file.size)])
    old, new = asked.old.encode(), asked.new.encode()
    # A search through megabytes takes a while: not on the loop.
    found = await threads.run(content.count, old)
    if found != asked.count if asked.count is not None else not found:
        raise Refused(
            ErrorCode.EDIT_MISMATCH,
            f"the text to replace is {found} times in {asked.path[:256]!r}, not {asked.count or 'at least once'}",
            found=found,
        )
    edited = await threads.run(content.replace, old, new)
    written = await write_file(workspace, threads, session, asked.path, _whole(edited), expected=file.version)
    return FileEdited(
        path=asked.path, replaced=found, size=written.size, sha256=written.sha256, version=written.version
    )


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
