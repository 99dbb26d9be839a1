"""`sandbox.files`: the files of one sandbox."""

from collections.abc import Sequence
from typing import overload

from kubebox._files import FileContent
from kubebox.client import SandboxClient
from kubebox_protocol.files import FileList


class SandboxFiles:
    """A sandbox's files. Paths are relative to the folder that commands run in.

    Args:
        client: The client underneath.
        session_id: The implicit session.
    """

    def __init__(self, client: SandboxClient, session_id: str) -> None:
        self._client = client
        self._session_id = session_id

    def __repr__(self) -> str:
        return f"<SandboxFiles of {self._client.url}>"

    @overload
    async def read(self, path: str, *, encoding: str = "utf-8") -> str: ...
    @overload
    async def read(self, path: str, *, encoding: None) -> bytes: ...
    async def read(self, path: str, *, encoding: str | None = "utf-8") -> str | bytes:
        """A file's text; with `encoding=None` its bytes."""
        if encoding is None:
            return await self._client.get_file(self._session_id, path, encoding=None)
        return await self._client.get_file(self._session_id, path, encoding=encoding)

    async def read_bytes(self, path: str) -> bytes:
        """A file's bytes, as `read` with `encoding=None` gives them."""
        return await self.read(path, encoding=None)

    async def write(self, path: str, content: FileContent) -> None:
        """Write a file whole, in one step, and make the folders it needs."""
        await self._client.write_file(self._session_id, path, content, make_dirs=True)

    async def exists(self, path: str) -> bool:
        """Whether a file or a folder is there."""
        return await self._client.file_exists(self._session_id, path)

    async def list(self, path: str = "", *, regexes: Sequence[str] | None = None) -> FileList:
        """What is beneath a folder, with types, sizes and times."""
        return await self._client.list_files(self._session_id, path, regexes=regexes)

    async def list_paths(self, regexes: Sequence[str] | None = None) -> Sequence[str]:
        """The paths of all files, sorted."""
        return await self._client.get_all_file_paths(self._session_id, regexes)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Delete a file, or with `recursive` a folder and all in it."""
        await self._client.delete_file(self._session_id, path, recursive=recursive)

    async def make_dir(self, path: str) -> None:
        """Make a folder and those above it."""
        await self._client.make_dirs(self._session_id, path)
