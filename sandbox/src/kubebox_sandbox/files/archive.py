"""Folders as one tar stream: init packs and unpacks; the server carries the bytes, and reads none of them."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FolderUnpacked
from kubebox_protocol.limits import MAX_ARCHIVE_BYTES, MAX_ARCHIVE_ENTRIES
from kubebox_sandbox.files.failures import file_refusal
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Answer, Failed, Workspace, look_at, said
from kubebox_sandbox.workspace.descriptors import new_pipe
from kubebox_sandbox.workspace.messages import Unpacked

PIPE_BYTES: Final = 512 * 1024
"""Bytes that a pipe holds, where the kernel lets it. Larger pieces cost the client less, and neither end
wakes the other so often."""

PIECE_BYTES: Final = PIPE_BYTES
"""Bytes that are read from a pipe at once: as many as one holds."""

ARCHIVE_SECONDS: Final = 24 * 3600.0
"""Seconds that one archive may take. Who is slow is the client, and holds no more than a pipe; a day is beyond any patience."""


class PackedFolder:
    """A folder on its way out. Must be closed.

    Args:
        pipe: Where its archive comes.
        answer: init's, when all of it has come.
        path: In the client's words.
    """

    def __init__(self, pipe: int, answer: asyncio.Future[Answer], path: str) -> None:
        self._pipe = pipe
        self._answer = answer
        self._path = path
        self._first = b""

    async def begin(self) -> None:
        """Wait until there is something of it.

        Raises:
            Refused: There is nothing to pack.
        """
        self._first = await self._piece()
        if not self._first:  # init closes the pipe before it says why: there is no archive without a byte.
            await self._answered()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The archive, to its end.

        Raises:
            Refused: It has no end.
        """
        piece, self._first = self._first, b""
        while piece:
            yield piece
            piece = await self._piece()
        await self._answered()

    def close(self) -> None:
        """Have it ended, where it has not."""
        os.close(self._pipe)
        self._answer.cancel()

    async def _piece(self) -> bytes:
        """The next bytes; none where it has ended, or will not go on."""
        while True:
            try:
                return os.read(self._pipe, PIECE_BYTES)
            except BlockingIOError:
                if self._answer.done():
                    return b""  # init was given up, which did not close it.
                await _ready_or_answered(self._pipe, self._answer)

    async def _answered(self) -> None:
        try:
            await self._answer
        except Failed as failed:
            raise _refusal(failed, self._path) from None


async def pack_folder(workspace: Workspace, session: Session, path: str) -> PackedFolder:
    """Begin to pack a folder with all beneath it, or a file.

    Raises:
        Refused: It is missing or outside.
    """
    reading, writing = _pipe()
    try:
        os.set_blocking(reading, False)
        answer = await _ask(workspace, "pack", session.place(path), writing)
    except BaseException:  # Whatever goes wrong, the pipe is ours to close.
        os.close(reading)
        raise
    finally:
        os.close(writing)
    packed = PackedFolder(reading, answer, path)
    try:
        await packed.begin()
    except BaseException:  # The same.
        packed.close()
        raise
    return packed


async def unpack_folder(
    workspace: Workspace, session: Session, path: str, body: AsyncIterator[bytes]
) -> FolderUnpacked:
    """Unpack an archive beneath a folder, which is made where it is missing.

    Raises:
        Refused: The archive breaks a rule, or is not whole. What came whole before that stays.
    """
    reading, writing = _pipe()
    limits = {"max_entries": MAX_ARCHIVE_ENTRIES, "max_bytes": MAX_ARCHIVE_BYTES}
    try:
        try:
            os.set_blocking(writing, False)
            answer = await _ask(workspace, "unpack", {**session.place(path), **limits}, reading)
        finally:
            os.close(reading)
        await _feed(writing, body, answer)
    finally:
        os.close(writing)
    try:
        unpacked = said(Unpacked, (await answer).fields)
    except Failed as failed:
        raise _refusal(failed, path) from None
    return FolderUnpacked(path=path, entries=unpacked.entries, size=unpacked.bytes)


async def _ask(
    workspace: Workspace, operation: str, fields: dict[str, Any], pipe: int
) -> asyncio.Future[Answer]:
    await workspace.arrives()
    answer = workspace.ask(operation, fields, descriptors=[pipe], deadline=ARCHIVE_SECONDS)
    answer.add_done_callback(look_at)  # Its client may go away before.
    return answer


async def _feed(pipe: int, body: AsyncIterator[bytes], answer: asyncio.Future[Answer]) -> None:
    async for piece in body:
        view = memoryview(piece)
        while view:
            try:
                view = view[os.write(pipe, view) :]
            except BlockingIOError:
                if answer.done():
                    return  # init was given up, which did not close it.
                await _ready_or_answered(pipe, answer, to_write=True)
            except BrokenPipeError:
                return  # init takes no more of it, and says why.


async def _ready_or_answered(pipe: int, answer: asyncio.Future[Answer], *, to_write: bool = False) -> None:
    loop = asyncio.get_running_loop()
    watch, leave = (
        (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    )
    either = asyncio.Event()

    def answered(_: asyncio.Future[Answer]) -> None:
        either.set()

    watch(pipe, either.set)
    answer.add_done_callback(answered)
    try:
        await either.wait()
    finally:
        leave(pipe)
        answer.remove_done_callback(answered)


def _pipe() -> tuple[int, int]:
    ends = new_pipe()
    with suppress(OSError):  # Who has many pipes already gets no large ones, and goes on with what there is.
        fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return ends


def _refusal(failed: Failed, path: str) -> Refused:
    if failed.what == "entry" and failed.errno in _AGAINST_RULES:
        return Refused(
            ErrorCode.ARCHIVE_REFUSED,
            f"entry {failed.entry} of the archive {_AGAINST_RULES[failed.errno]}; what came before it is there",
            entry=failed.entry,
        )
    if failed.what == "stream":
        return Refused(
            ErrorCode.ARCHIVE_INVALID,
            f"the archive is not whole, or none, from entry {failed.entry} on; what came before it is there",
            entry=failed.entry,
        )
    return file_refusal(failed, path)


_AGAINST_RULES: Final = {
    "EINVAL": "has a name or a form that is not allowed",
    "EXDEV": "leads out of the folder",
    "ENOTREG": "is neither a file, a folder nor a link",
    "EFBIG": "is more than an archive may hold",
}
