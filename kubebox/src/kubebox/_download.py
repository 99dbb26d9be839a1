"""Fetching what a sandbox has: a file, exact over every cut, or a folder."""

import posixpath
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Final

from anyio import CancelScope

from kubebox._files import Files, files_of
from kubebox._finishing import finish
from kubebox._folders import OnProgress, download_folder
from kubebox._local_draft import LocalDraft
from kubebox._read_on import read_on
from kubebox._transferred import Transferred
from kubebox._transport.base import Transport
from kubebox.errors import AnswerInvalid
from kubebox_protocol.files import FileInfo
from kubebox_protocol.meanwhile import Meanwhile

PIECE_BYTES: Final = 1024 * 1024
"""Bytes that are gathered while a thread writes as many: its hop costs less than their copy."""


async def download(
    transport: Transport,
    session_id: str,
    path: str,
    target: Path,
    *,
    on_progress: OnProgress | None = None,
) -> Transferred:
    """Fetch a file or a folder of the sandbox, whichever it is.

    Raises:
        SandboxFileNotFound: There is neither.
        FileChanged: The file changed while it was read, and nothing is left of it here.
        LocalFileError: This machine does not take it.
    """
    known = await Files(transport).stat(session_id, path)
    if known.type != "file":
        return await download_folder(transport, session_id, path, target, on_progress=on_progress)
    pieces = read_on(transport, files_of(session_id), path, version=known.version)
    async with aclosing(pieces):
        await _save(pieces, known, target, on_progress)
    return Transferred(1, known.size)


async def _save(
    pieces: AsyncGenerator[bytes], known: FileInfo, target: Path, on_progress: OnProgress | None
) -> None:
    draft = LocalDraft(target, posixpath.basename(known.path.rstrip("/")))
    writing = Meanwhile[None]()
    try:
        await finish(draft.begin)
        received = 0
        waiting = bytearray()
        async for piece in pieces:
            waiting += piece
            received += len(piece)
            if len(waiting) >= PIECE_BYTES:
                await writing.settled()
                writing.begin(finish(draft.write, waiting))
                waiting = bytearray()
            if on_progress is not None:
                on_progress(received)
        await writing.settled()
        await finish(draft.write, waiting)
        if received != known.size:
            raise AnswerInvalid(f"{known.path}: {received} bytes came of {known.size}", path=known.path)
        await finish(draft.keep, known.mode, known.modified)
    finally:
        with CancelScope(shield=True):
            await writing.ended()
        await finish(draft.discard)
