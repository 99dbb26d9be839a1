"""`sandbox.files`: the files of one sandbox."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, overload

from kubebox._files import FileContent, Files
from kubebox_protocol.files import FileAppended, FileEdited, FileInfo, FileList, FileWritten

if TYPE_CHECKING:
    from kubebox._opening import Opening
    from kubebox._transferred import Transferred
    from kubebox._watch import FileWatch


class SandboxFiles:
    """A sandbox's files. Paths are relative to the folder that commands run in.

    Args:
        files: Those of a client.
        session_id: The session.
    """

    def __init__(self, files: Files, session_id: str) -> None:
        self._files = files
        self._session_id = session_id

    def __repr__(self) -> str:
        return f"<SandboxFiles of session {self._session_id}>"

    @overload
    async def read(self, path: str, *, encoding: str = "utf-8") -> str: ...
    @overload
    async def read(self, path: str, *, encoding: None) -> bytes: ...
    async def read(self, path: str, *, encoding: str | None = "utf-8") -> str | bytes:
        """A file's text; with `encoding=None` its bytes."""
        if encoding is None:
            return await self._files.read(self._session_id, path)
        return await self._files.read_text(self._session_id, path, encoding)

    async def read_bytes(self, path: str) -> bytes:
        """A file's bytes, as `read` with `encoding=None` gives them."""
        return await self.read(path, encoding=None)

    async def stream(self, path: str, *, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """A file's bytes as they come, of which little is in memory at a time: `async for piece in files.stream(path)`.

        Where the connection is lost, it goes on at the exact byte.

        Args:
            path: Its path.
            offset: The first byte.
            length: How many bytes; to the end it has at first, unless given. Those beyond its end do not come.

        Raises:
            SandboxFileNotFound: There is no such file.
            FileChanged: The connection was lost, and the file is another one by now.
        """
        async with aclosing(self._files.stream(self._session_id, path, offset, length)) as pieces:
            async for piece in pieces:
                yield piece

    async def write(self, path: str, content: FileContent, *, expected: str | None = None) -> FileWritten:
        """Write a file whole, in one step, and make the folders it needs.

        Args:
            path: Its path.
            content: Text (written as UTF-8), bytes, a `pathlib.Path` of this machine, or an async iterable of bytes.
            expected: The version (as `stat`, `write` and `edit` give it) that is to be replaced, and no other; `""` where
                there must be no file yet. Without it, whatever is there is replaced.

        Raises:
            FileChanged: It is not that version any more; nothing was written.
            SandboxFileExists: There is a file already; nothing was written.
            NoSpace: The sandbox's disk is full.
        """
        return await self._files.write(self._session_id, path, content, make_dirs=True, expected=expected)

    async def append(self, path: str, content: FileContent) -> FileAppended:
        """Write at a file's end; it is made where it is missing, with the folders it needs.

        Not repeated where the connection is lost, and what has come by then stays: look at the size.
        """
        return await self._files.append(self._session_id, path, content, make_dirs=True)

    async def edit(self, path: str, old: str, new: str, *, count: int | None = 1) -> FileEdited:
        """Replace a text in a file, in one step.

        Args:
            path: Its path.
            old: The text, as UTF-8.
            new: What takes its place.
            count: How often it must be there; `None` for at least once. All of them are replaced.

        Raises:
            EditMismatch: It is not there so often; `data["found"]` says how often.
            FileChanged: Somebody changed the file at this moment.
            PayloadTooLarge: It is larger than 16 MiB.
        """
        return await self._files.edit(self._session_id, path, old, new, count=count)

    async def copy(self, path: str, to: str, *, replace: bool = True) -> FileWritten:
        """Copy a file with its permission bits; the copy is there whole or not at all.

        Raises:
            SandboxFileExists: Something is there, and `replace` is false.
        """
        return await self._files.copy(self._session_id, path, to, make_dirs=True, replace=replace)

    async def rename(self, path: str, to: str, *, replace: bool = True) -> None:
        """Give a file or a folder another name, in one step, and make the folders that it needs.

        Raises:
            SandboxFileExists: Something is there, and `replace` is false.
            DirectoryNotEmpty: A folder with something in it is there.
        """
        await self._files.rename(self._session_id, path, to, make_dirs=True, replace=replace)

    async def upload(
        self,
        source: str | Path,
        path: str = "",
        *,
        ignore: Sequence[str] = (),
        on_progress: Callable[[int], object] | None = None,
    ) -> "Transferred":
        """Send a file or a folder of this machine, whichever is there, with permission bits and times of change.

        A file appears whole or not at all, in place of the one that is there; where `path` is a folder, in it under its own name.
        Where the connection is lost, it goes on with what the sandbox has not yet: that keeps what has come for two minutes,
        beside the file's place, under a name that begins with `.kubebox-`.

        What is in a folder joins what is in the sandbox's, symbolic links as links; each of its files appears whole or not at
        all.

        Args:
            source: The file or the folder.
            path: Where it goes in the sandbox. Folders are made where they are missing. Empty, or with a slash at its end, it is
                the folder that a file goes to.
            ignore: Of a folder: patterns as of a shell (`*.pyc`, `node_modules`, `build/*.o`): what one of them fits, by its
                name or its path relative to the folder, stays behind with all beneath it.
            on_progress: Called with the bytes that have been sent so far.

        Returns:
            What it came to, of a file with its SHA-256. Of a folder, links that lead out of it, FIFOs, sockets and devices stay
            behind, and are counted.

        Raises:
            LocalFileError: It is missing, or something of it cannot be read, or changed meanwhile.
            NoSpace: The sandbox's disk is full.
            ConnectionLost: The connection broke off. Of a folder, files that came whole are there.
        """
        return await self._files.upload(
            self._session_id, Path(source), path, ignore=ignore, on_progress=on_progress
        )

    async def download(
        self,
        path: str,
        target: str | Path,
        *,
        on_progress: Callable[[int], object] | None = None,
    ) -> "Transferred":
        """Fetch a file or a folder of the sandbox, whichever is there, with permission bits and times of change.

        A file appears whole or not at all, in place of the one that is there; where `target` is a folder, in it under its own
        name. Where the connection is lost, it goes on at the exact byte. Its bytes are of one version, as its size and its
        times tell; a file that changes meanwhile is an error, after which nothing has changed here.

        What is in a folder joins what is in that of this machine. What the sandbox sends is not believed: nothing is written
        outside the folder, through a link, or with rights to become somebody else.

        Args:
            path: The file or the folder in the sandbox.
            target: Where it goes on this machine. A folder is made where it is missing; not the folder that a file goes to.
            on_progress: Called with the bytes that have come so far.

        Returns:
            What it came to; of a folder, `is_whole` says whether all could be read and held still meanwhile.

        Raises:
            SandboxFileNotFound: There is neither.
            FileChanged: The file changed while it was read.
            ArchiveRefused: The sandbox sent something that must not be written.
            LocalFileError: This machine does not take a file.
            ConnectionLost: The connection broke off. Of a folder, files that came whole are there.
        """
        return await self._files.download(self._session_id, path, Path(target), on_progress=on_progress)

    def watch(self, path: str = ".", *, recursive: bool = True) -> "Opening[FileWatch]":
        """Watch a folder: `async with sandbox.files.watch() as changes`, then `async for change in changes`.

        What is done once it is entered is told, as one or more changes each: those of one path that are alike become one. Where
        that is more than is told, one of the type `overflow` says so. Symbolic links are not followed, and folders that the
        sandbox's user may not read are not watched, nor those more than 256 deep.

        Args:
            path: The folder.
            recursive: Whether folders beneath it are watched too, also those that come later.

        Raises:
            SandboxFileNotFound: There is no such folder.
            SandboxNotADirectory: It is a file.
            PathOutside: It is not beneath the session's folder.
            TooManyWatches: 32 are there already, or there are too many folders beneath it.
        """
        return self._files.watch(self._session_id, path, recursive=recursive)

    async def stat(self, path: str) -> FileInfo:
        """A file's type, size, permission bits, time of change and version."""
        return await self._files.stat(self._session_id, path)

    async def exists(self, path: str) -> bool:
        """Whether a file or a folder is there."""
        return await self._files.exists(self._session_id, path)

    async def list(
        self, path: str = "", *, depth: int | None = 1, regexes: Sequence[str] | None = None
    ) -> FileList:
        """What is in a folder, with types, sizes, permission bits and times; symbolic links are not followed.

        Args:
            path: The folder.
            depth: Levels of folders: 1 for what lies in it, 2 for what lies in those, too; `None` for all.
            regexes: RE2 patterns: only entries that one of them is found in, by their path relative to the session's folder.

        Returns:
            The entries, sorted by path, which is relative to the folder. `partial` says why they are not all: there are more
            than 100,000 (`entries`), it took longer than 10 s (`time`), or something could not be read (`error`). Names that
            are not UTF-8 are counted, in `undecodable`.
        """
        return await self._files.list(self._session_id, path, regexes=regexes, depth=depth)

    async def list_paths(self, regexes: Sequence[str] | None = None) -> Sequence[str]:
        """The paths of all files, sorted."""
        return await self._files.all_paths(self._session_id, regexes)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Delete a file, or with `recursive` a folder and all in it."""
        await self._files.delete(self._session_id, path, recursive=recursive)

    async def make_dir(self, path: str) -> None:
        """Make a folder and those above it."""
        await self._files.make_dirs(self._session_id, path)
