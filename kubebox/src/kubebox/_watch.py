"""Watching a folder of a sandbox: what changes there, as it changes."""

import asyncio
from collections import deque
from typing import Final, Self

from pydantic import ValidationError

from kubebox import _arguments
from kubebox._files import files_of
from kubebox._opening import Opening
from kubebox._transport.base import Transport
from kubebox._transport.refusals import refusal
from kubebox.errors import AnswerInvalid, AnswerTimeout, ConnectionLost, KubeboxError, SandboxUnreachable
from kubebox_protocol.watches import ENDED, MAX_LINE_BYTES, TOP, FileChange, WatchLine

CUTS: Final = (ConnectionLost, AnswerTimeout, SandboxUnreachable)
"""What a watch survives. The server says something every ten seconds, so silence is a cut too."""


class FileWatch:
    """What changes in a folder: `async for change in watch` gives each as a `FileChange`, for as long as somebody watches.

    Leaving the loop, or to stop waiting for the next change, loses nothing; the next loop goes on there. `async with` ends the
    watch. While nobody reads, changes gather in the sandbox, up to some thousand; beyond that all of them are one of the type
    `overflow`. A connection that is cut is made anew, and then the first change is an `overflow` too: what happened meanwhile is
    not known.

    Where no more is seen, the loop ends with an error that says why: `SandboxFileNotFound` when the folder itself was removed or
    renamed, `TooManyWatches` when too many folders have come, `WorkspaceRestarting` when the workspace did, `ConnectionLost` when
    the connection did not come back.
    """

    def __init__(self, stream: "ChangeStream", path: str) -> None:
        self._stream = stream
        self._path = path

    def __repr__(self) -> str:
        return f"<FileWatch of {self._path!r}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FileChange:
        return await self._stream.next()

    async def close(self) -> None:
        """Watch no more, in the sandbox too. Again does nothing."""
        await self._stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class ChangeStream:
    """One watch after the other of the same folder, each on a connection of its own.

    Args:
        transport: The way to the server.
        files: Where that has the session's files.
        path: The folder.
        recursive: Whether those beneath it belong to it.
    """

    def __init__(self, transport: Transport, files: str, path: str, recursive: bool) -> None:
        self._transport = transport
        self._files = files
        self._path = path
        self._recursive = recursive
        self._carrier: asyncio.Task[None] | None = None
        self._carried: asyncio.Queue[bytes | Exception] = asyncio.Queue(1)
        self._rest = b""
        self._changes: deque[FileChange] = deque()
        self._cut: KubeboxError | None = None
        self._end: KubeboxError | None = None
        self._closed = False

    async def next(self) -> FileChange:
        """The next change.

        Raises:
            StopAsyncIteration: It is closed.
        """
        while not self._changes:
            if self._closed:
                raise StopAsyncIteration
            if self._end is not None:
                raise await self._transport.explain(self._end)
            if self._cut is not None:
                await self.begin(self._cut)
                self._cut = None
                return FileChange(path=TOP, type="overflow")
            try:
                self._take(await self._next_piece())
            except CUTS as error:
                self._cut = error
        return self._changes.popleft()

    async def begin(self, cut: KubeboxError | None = None) -> None:
        """Have the sandbox watch. This returns when it does.

        Args:
            cut: How the connection was lost by which it did before.
        """
        await self._leave_stream()
        outage = self._transport.outage()
        while True:
            if cut is not None:
                await self._transport.reach_again(cut, outage)
            try:
                await self._open_stream()
            except CUTS as error:
                cut = error
            else:
                return

    async def close(self) -> None:
        """End the watch, and whoever waits for a change."""
        self._closed = True
        self._changes.clear()
        await self._leave_stream()

    async def _open_stream(self) -> None:
        self._rest = b""
        self._carried = asyncio.Queue(1)
        self._carrier = asyncio.create_task(self._carry(self._carried))
        try:
            await self._next_piece()
        except BaseException:  # cancellation too: nobody else would end the task
            await self._leave_stream()
            raise

    async def _leave_stream(self) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            carrier.cancel()
            await asyncio.wait([carrier])
            if self._carried.empty():  # Somebody may wait.
                self._carried.put_nowait(_broken_off())

    async def _carry(self, to: "asyncio.Queue[bytes | Exception]") -> None:
        # A task has the connection for itself: whoever stops waiting for a piece must not take that along.
        query = {"path": self._path, "recursive": self._recursive}
        try:
            async with self._transport.stream(f"{self._files}/watch", query=query) as body:
                await to.put(b"")  # It is in place.
                try:
                    async for piece in body.pieces:
                        await to.put(piece)
                except CUTS as cut:  # Why, is only of interest when there is no other way.
                    await to.put(cut)
                else:
                    await to.put(_broken_off())
        except Exception as error:  # the boundary of two tasks: it is raised again in the other one
            await to.put(error)

    async def _next_piece(self) -> bytes:
        piece = await self._carried.get()
        if self._closed:
            raise StopAsyncIteration
        if isinstance(piece, Exception):
            self._carried.put_nowait(piece)  # It was the last, and stays so.
            raise piece
        return piece

    def _take(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise AnswerInvalid(f"{self._path}: the sandbox tells of a change without end")
        for line in lines:
            self._take_line(line)

    def _take_line(self, line: bytes) -> None:
        try:
            told = WatchLine.model_validate_json(line)
        except ValidationError:
            raise AnswerInvalid(
                f"{self._path}: the sandbox tells of changes in a way that is unknown"
            ) from None
        change = told.change
        if change is not None:
            self._changes.append(change)
        elif told.type == ENDED and told.error is not None:
            self._end = refusal(told.error)


def watch_folder(transport: Transport, session_id: str, path: str, *, recursive: bool) -> Opening[FileWatch]:
    """Watch a folder, once that is awaited or entered."""
    checked = _arguments.path(path)

    async def begin() -> FileWatch:
        stream = ChangeStream(transport, files_of(session_id), checked, recursive)
        await stream.begin()
        return FileWatch(stream, checked)

    return Opening(begin)


def _broken_off() -> ConnectionLost:
    return ConnectionLost("the connection broke off while a folder was watched")
