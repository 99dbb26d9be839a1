"""Files of a sandbox: raw bodies over HTTP, streamed both ways."""

import builtins
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from kubebox import _arguments
from kubebox._transport.base import Transport
from kubebox.errors import AnswerInvalid, FileNotText, InvalidArgument, ListingIncomplete
from kubebox_protocol.base import Answer
from kubebox_protocol.files import FileExists, FileInfo, FileList, FileWritten, ListFiles, MakeDirectories
from kubebox_protocol.limits import MAX_LIST_SECONDS


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
        return await self._transport.download(_files(session_id), query={"path": _arguments.path(path)})

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
        self, session_id: str, path: str, content: FileContent, *, make_dirs: bool
    ) -> FileWritten:
        """Write a file whole, in one step.

        Raises:
            AnswerInvalid: What the server wrote is not what was sent.
        """
        digest = hashlib.sha256()
        if isinstance(content, str):
            content = content.encode()
        if isinstance(content, (bytes, bytearray, memoryview)):
            sent: bytes | AsyncIterable[bytes] = bytes(content)
            digest.update(sent)
        elif isinstance(content, Path):
            sent = _hashed(_local_file(content), digest)
        elif isinstance(content, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            sent = _hashed(content, digest)
        else:
            raise InvalidArgument(
                "content: must be text, bytes, a pathlib.Path, or an async iterable of bytes"
            )
        query = {"path": _arguments.path(path), "make_dirs": make_dirs}
        written = await self._transport.request(
            "PUT", _files(session_id), FileWritten, query=query, content=sent
        )
        if written.sha256 != digest.hexdigest():
            raise AnswerInvalid(
                f"{path}: the server wrote {written.size} bytes that are not the ones sent", path=path
            )
        return written

    async def exists(self, session_id: str, path: str) -> bool:
        """Whether something is there."""
        query = {"path": _arguments.path(path)}
        answer = await self._transport.request(
            "GET", f"{_files(session_id)}/exists", FileExists, query=query, repeat=True
        )
        return answer.exists

    async def stat(self, session_id: str, path: str) -> FileInfo:
        """What is known of a file."""
        query = {"path": _arguments.path(path)}
        return await self._transport.request(
            "GET", f"{_files(session_id)}/stat", FileInfo, query=query, repeat=True
        )

    async def delete(self, session_id: str, path: str, *, recursive: bool) -> None:
        """Delete a file, or a folder."""
        query = {"path": _arguments.path(path), "recursive": recursive}
        await self._transport.delete(_files(session_id), query=query)

    async def make_dirs(self, session_id: str, path: str) -> None:
        """Make a folder and those above it."""
        body = _arguments.build(MakeDirectories, path=_arguments.path(path))
        await self._transport.request(
            "POST", f"{_files(session_id)}/directories", Answer, body=body, repeat=True
        )

    async def list(
        self,
        session_id: str,
        path: str = "",
        *,
        regexes: Sequence[str] | None = None,
        files_only: bool = False,
    ) -> FileList:
        """What is beneath a folder."""
        if isinstance(regexes, str):
            raise InvalidArgument("regexes: must be a list of patterns, not one text")
        patterns = None if regexes is None else list(regexes)
        body = _arguments.build(
            ListFiles, path=_arguments.path(path), regexes=patterns, files_only=files_only
        )
        return await self._transport.request(
            "POST", f"{_files(session_id)}/list", FileList, body=body, timeout=LIST_SECONDS, repeat=True
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


def _files(session_id: str) -> str:
    return f"/v1/sessions/{session_id}/files"


async def _hashed(content: AsyncIterable[bytes], digest: _Hash) -> AsyncGenerator[bytes]:
    async for chunk in content:
        digest.update(chunk)
        yield chunk


async def _local_file(path: Path) -> AsyncGenerator[bytes]:
    from anyio import open_file

    async with await open_file(os.fspath(path), "rb") as file:
        while chunk := await file.read(READ_BYTES):
            yield chunk
