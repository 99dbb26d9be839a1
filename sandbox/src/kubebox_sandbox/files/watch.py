"""Watching a folder: init writes what changes into a pipe, which is read however slow the client is."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Final

from pydantic_core import to_json

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.limits import MAX_PATH_BYTES
from kubebox_protocol.watches import ALIVE, ENDED, WATCH_SILENCE_SECONDS
from kubebox_sandbox.files.changes import PendingChanges
from kubebox_sandbox.files.failures import file_refusal
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Failed, Workspace
from kubebox_sandbox.workspace.descriptors import new_pipe
from kubebox_sandbox.workspace.messages import Misbehaved

MAX_WATCHES: Final = 32
"""Watches of one sandbox at once. Each takes a pipe and up to two megabytes. Init takes twice as many, for those that are just
ending."""

BEGIN_SECONDS: Final = 25.0
"""Seconds until all folders have to be watched: a client waits thirty. Sixty thousand take one or two."""

READ_BYTES: Final = 64 * 1024
"""Bytes that are read at once: what a pipe holds."""

READ_PAUSE_SECONDS: Final = 0.01
"""Seconds from one read to the next: of a storm of changes six megabytes a second are looked at, and the server has time for
others."""

GATHER_SECONDS: Final = 0.05
"""Seconds that changes gather before they are sent, so that those that are alike become one; too few for a person to notice."""

MAX_RECORD_BYTES: Final = 2 * MAX_PATH_BYTES + 8
"""Bytes of one record: two paths, and what is between them."""

_ALIVE_LINE: Final = to_json({"type": ALIVE}) + b"\n"


class Watches:
    """All watches of the sandbox."""

    def __init__(self) -> None:
        self._open: set[WatchedFolder] = set()

    async def begin(
        self, workspace: Workspace, session: Session, path: str, *, recursive: bool
    ) -> "WatchedFolder":
        """Watch a folder. What happens after this has returned is told.

        Raises:
            Refused: It is missing or outside, or too much would be watched.
        """
        if len(self._open) >= MAX_WATCHES:
            raise Refused(
                ErrorCode.TOO_MANY_WATCHES,
                f"{MAX_WATCHES} folders are watched already; leave one of them",
                limit=MAX_WATCHES,
            )
        reading, writing = new_pipe()
        os.set_blocking(reading, False)
        watched = WatchedFolder(reading, path, self._open.discard)
        self._open.add(watched)
        try:
            fields = {**session.place(path), "recursive": recursive}
            await workspace.request("watch", fields, descriptors=[writing], deadline=BEGIN_SECONDS)
        except Failed as failed:
            watched.close()
            raise _refusal(failed, path) from None
        except BaseException:  # Whatever goes wrong, the pipe is ours to close.
            watched.close()
            raise
        finally:
            os.close(writing)
        return watched


class WatchedFolder:
    """A folder that is watched. Must be closed.

    Args:
        pipe: Where init tells what changes.
        path: In the client's words.
        on_close: Called when it is watched no more.
    """

    def __init__(self, pipe: int, path: str, on_close: Callable[["WatchedFolder"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe: int | None = pipe
        self._path = path
        self._on_close = on_close
        self._rest = b""
        self._changes = PendingChanges()
        self._news = asyncio.Event()
        self._end: Refused | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(pipe, self._read, pipe)

    async def lines(self) -> AsyncIterator[bytes]:
        """What a client is told, to its end. While nobody takes the next piece, changes gather, and in the end overflow."""
        yield _ALIVE_LINE
        while True:
            try:
                async with asyncio.timeout(WATCH_SILENCE_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                yield _ALIVE_LINE
                continue
            if self._end is None:
                await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            for piece in self._changes.take():
                yield piece
            if self._end is not None and not self._changes:
                yield to_json({"type": ENDED, "error": self._end.body()}) + b"\n"
                return

    def close(self) -> None:
        """Watch it no more: init sees that nobody reads. Again does nothing."""
        self._leave_pipe()
        self._on_close(self)

    def _leave_pipe(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None

    def _read(self, pipe: int) -> None:
        try:
            data = os.read(pipe, READ_BYTES)
        except BlockingIOError:
            return
        try:
            self._take(data)
        except Misbehaved as misbehaved:
            self._end = Refused(
                ErrorCode.WORKSPACE_MISBEHAVED, f"the workspace told nonsense of changes: {misbehaved}"
            )
        if self._end is None:
            self._loop.remove_reader(pipe)
            self._pause = self._loop.call_later(
                READ_PAUSE_SECONDS, self._loop.add_reader, pipe, self._read, pipe
            )
        else:
            self._leave_pipe()
        if self._changes or self._end is not None:
            self._news.set()

    def _take(self, data: bytes) -> None:
        if not data:
            self._end = Refused(
                ErrorCode.WORKSPACE_RESTARTING,
                "the workspace that watched is gone; what changed meanwhile is not known: watch, and look, again",
            )
            return
        *records, self._rest = (self._rest + data).split(b"\0")
        if len(self._rest) > MAX_RECORD_BYTES:
            raise Misbehaved("a record that does not end")
        for record in records:
            self._take_record(record[:1], record[2:])

    def _take_record(self, kind: bytes, content: bytes) -> None:
        match kind:
            case b"C":
                self._changes.created(_checked(content))
            case b"M":
                self._changes.modified(_checked(content))
            case b"D":
                self._changes.deleted(_checked(content))
            case b"R":
                former, _, path = content.partition(b"//")
                self._changes.renamed(_checked(former), _checked(path))
            case b"O":
                self._changes.overflow()
            case b"E":
                self._end = self._end or _end(content, self._path)
            case _:
                raise Misbehaved("a record of no kind")


def _checked(path: bytes) -> bytes:
    """A path that leads to something in the folder: whoever copies what has changed must not be led elsewhere."""
    if len(path) > MAX_PATH_BYTES or any(name in (b"", b".", b"..") for name in path.split(b"/")):
        raise Misbehaved("a path that is none")
    return path


def _end(errno: bytes, path: str) -> Refused:
    failed = Failed(errno.decode("ascii", "replace"), "watch")
    if failed.errno == "ENOENT":
        return Refused(
            ErrorCode.FILE_NOT_FOUND,
            f"{path[:256]!r} was removed, or has another name now; nothing of it is watched any more",
        )
    return _refusal(failed, path)


def _refusal(failed: Failed, path: str) -> Refused:
    if failed.what == "watch" and failed.errno in ("ENOSPC", "EMFILE"):
        return Refused(
            ErrorCode.TOO_MANY_WATCHES,
            f"{path[:256]!r} cannot be watched: there are more folders in it than 65,536, or than the machine's kernel takes "
            "(fs.inotify.max_user_watches, max_user_instances); watch a part of it, or without its subfolders",
        )
    return file_refusal(failed, path)
