"""Files of a sandbox: raw bodies over HTTP, streamed both ways."""

import builtins
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from kubebox import _arguments
from kubebox._older import told_of_older_servers
from kubebox._transport.base import Transport
from kubebox.errors import AnswerInvalid, FileNotText, InvalidArgument, ListingIncomplete
from kubebox_protocol.base import Answer
from kubebox_protocol.files import (
    CopyFile,
    EditFile,
    FileAppended,
    FileEdited,
    FileExists,
    FileInfo,
    FileList,
    FileWritten,
    ListFiles,
    MakeDirectories,
    Rename,
)
from kubebox_protocol.limits import MAX_LIST_SECONDS

if TYPE_CHECKING:
    from kubebox._opening import Opening
    from kubebox._transferred import Transferred
    from kubebox._watch import FileWatch


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


FileContent: TypeAlias = "str | bytes | bytearray | memoryview | Path | AsyncIterable[bytes]"
"""What can be written: text (as UTF-8), bytes, a file of this machine, or pieces as they come."""

READ_BYTES: Final = 256 * 1024
"""Bytes of a local file that are read at once, in a thread: the event loop must not wait for a disk."""

LIST_SECONDS: Final = MAX_LIST_SECONDS + 30.0
"""Seconds until a listing is given up: longer than the server walks."""


class Files:
    """The files of one client's sessions.

    Args:
        transport: The way to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def read(self, session_id: str, path: str) -> bytes:
        """A file's bytes."""
        return await self._transport.download(files_of(session_id), query={"path": _arguments.path(path)})

    async def read_text(self, session_id: str, path: str, encoding: str) -> str:
        """A file's text.

        Raises:
            FileNotText: It is not text in this encoding.
        """
        data = await self.read(session_id, path)
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise FileNotText(
                f"{path}: not {encoding} text (byte {error.start}); encoding=None gives the bytes",
                path=path,
                offset=error.start,
            ) from None
        except LookupError:
            raise InvalidArgument(f"encoding: Python knows none of the name {encoding!r}") from None

    async def write(
        self,
        session_id: str,
        path: str,
        content: FileContent,
        *,
        make_dirs: bool,
        expected: str | None = None,
    ) -> FileWritten:
        """Write a file whole, in one step; with `expected` only in place of that version.

        Raises:
            AnswerInvalid: What the server wrote is not what was sent.
            FileChanged: It is another version, or none.
            SandboxFileExists: There was to be none.
        """
        digest = hashlib.sha256()
        sent = _hashed(_content(content), digest)
        condition = {} if expected is None else {"expected": expected}
        query = {"path": _arguments.path(path), "make_dirs": make_dirs, **condition}
        written = await self._transport.request(
            "PUT", files_of(session_id), FileWritten, query=query, content=sent
        )
        if written.sha256 != digest.hexdigest():
            raise AnswerInvalid(
                f"{path}: the server wrote {written.size} bytes that are not the ones sent", path=path
            )
        return written

    async def append(
        self, session_id: str, path: str, content: FileContent, *, make_dirs: bool
    ) -> FileAppended:
        """Write at a file's end."""
        query = {"path": _arguments.path(path), "make_dirs": make_dirs}
        return await self._transport.request(
            "POST", f"{files_of(session_id)}/append", FileAppended, query=query, content=_content(content)
        )

    async def copy(
        self, session_id: str, path: str, to: str, *, make_dirs: bool, replace: bool
    ) -> FileWritten:
        """Copy a file."""
        body = _arguments.build(
            CopyFile, path=_arguments.path(path), to=_arguments.path(to), make_dirs=make_dirs, replace=replace
        )
        return await self._transport.request("POST", f"{files_of(session_id)}/copy", FileWritten, body=body)

    async def rename(self, session_id: str, path: str, to: str, *, make_dirs: bool, replace: bool) -> None:
        """Give a file or a folder another name."""
        body = _arguments.build(
            Rename, path=_arguments.path(path), to=_arguments.path(to), make_dirs=make_dirs, replace=replace
        )
        await self._transport.request("POST", f"{files_of(session_id)}/rename", Answer, body=body)

    async def upload(
        self,
        session_id: str,
        source: Path,
        path: str,
        *,
        ignore: Sequence[str],
        on_progress: Callable[[int], object] | None,
    ) -> "Transferred":
        """Send a file or a folder of this machine."""
        from kubebox._upload import upload

        return await upload(self._transport, session_id, source, path, ignore=ignore, on_progress=on_progress)

    async def download(
        self, session_id: str, path: str, target: Path, *, on_progress: Callable[[int], object] | None
    ) -> "Transferred":
        """Fetch a file or a folder of the sandbox."""
        from kubebox._download import download

        return await download(self._transport, session_id, path, target, on_progress=on_progress)

    async def stream(
        self, session_id: str, path: str, offset: int, length: int | None
    ) -> AsyncGenerator[bytes]:
        """A file's bytes as they come."""
        from kubebox._read_on import check_part, read_on

        check_part(offset, length)
        pieces = read_on(self._transport, files_of(session_id), path, offset=offset, length=length)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def watch(self, session_id: str, path: str, *, recursive: bool) -> "Opening[FileWatch]":
        """Watch a folder."""
        from kubebox._watch import watch_folder

        return watch_folder(self._transport, session_id, path, recursive=recursive)

    async def edit(self, session_id: str, path: str, old: str, new: str, *, count: int | None) -> FileEdited:
        """Replace a text in a file."""
        body = _arguments.build(EditFile, path=_arguments.path(path), old=old, new=new, count=count)
        return await self._transport.request("POST", f"{files_of(session_id)}/edit", FileEdited, body=body)

    async def exists(self, session_id: str, path: str) -> bool:
        """Whether something is there."""
        query = {"path": _arguments.path(path)}
        answer = await self._transport.request(
            "GET", f"{files_of(session_id)}/exists", FileExists, query=query, repeat=True
        )
        return answer.exists

    async def stat(self, session_id: str, path: str) -> FileInfo:
        """What is known of a file."""
        query = {"path": _arguments.path(path)}
        return await self._transport.request(
            "GET", f"{files_of(session_id)}/stat", FileInfo, query=query, repeat=True
        )

    async def delete(self, session_id: str, path: str, *, recursive: bool) -> None:
        """Delete a file, or a folder."""
        query = {"path": _arguments.path(path), "recursive": recursive}
        await self._transport.delete(files_of(session_id), query=query)

    async def make_dirs(self, session_id: str, path: str) -> None:
        """Make a folder and those above it."""
        body = _arguments.build(MakeDirectories, path=_arguments.path(path))
        await self._transport.request(
            "POST", f"{files_of(session_id)}/directories", Answer, body=body, repeat=True
        )

    async def list(
        self,
        session_id: str,
        path: str = "",
        *,
        regexes: Sequence[str] | None = None,
        files_only: bool = False,
        depth: int | None = None,
    ) -> FileList:
        """What is beneath a folder, so many levels down; all of them unless told."""
        if isinstance(regexes, str):
            raise InvalidArgument("regexes: must be a list of patterns, not one text")
        patterns = None if regexes is None else list(regexes)
        body = _arguments.build(
            ListFiles, path=_arguments.path(path), regexes=patterns, files_only=files_only, depth=depth
        )
        with told_of_older_servers("listings of a certain depth", "depth"):
            return await self._transport.request(
                "POST", f"{files_of(session_id)}/list", FileList, body=body, timeout=LIST_SECONDS, repeat=True
            )

    async def all_paths(self, session_id: str, regexes: Sequence[str] | None) -> "builtins.list[str]":
        """The paths of all files of a session, sorted.

        Raises:
            ListingIncomplete: There are more than a listing takes.
        """
        listing = await self.list(session_id, regexes=regexes, files_only=True)
        paths = [entry.path for entry in listing.entries]
        if listing.partial is not None:
            raise ListingIncomplete(
                f"the listing was cut after {len(paths)} files ({listing.partial}); narrow it with regexes",
                paths=paths,
                partial=listing.partial,
            )
        return paths


def files_of(session_id: str) -> str:
    """Where the server has a session's files."""
    return f"/v1/sessions/{session_id}/files"


def _content(content: FileContent) -> bytes | AsyncIterable[bytes]:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if isinstance(content, Path):
        return _local_file(content)
    if isinstance(content, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        return content
    raise InvalidArgument("content: must be text, bytes, a pathlib.Path, or an async iterable of bytes")


def _hashed(content: bytes | AsyncIterable[bytes], digest: _Hash) -> bytes | AsyncIterable[bytes]:
    if not isinstance(content, bytes):
        return _hashed_pieces(content, digest)
    digest.update(content)
    return content


async def _hashed_pieces(content: AsyncIterable[bytes], digest: _Hash) -> AsyncGenerator[bytes]:
    async for chunk in content:
        digest.update(chunk)
        yield chunk


async def _local_file(path: Path) -> AsyncGenerator[bytes]:
    from anyio import open_file

    async with await open_file(os.fspath(path), "rb") as file:
        while chunk := await file.read(READ_BYTES):
            yield chunk
