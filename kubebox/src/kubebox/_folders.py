"""Folders of a sandbox, both ways: one stream each, of which little is in memory at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from anyio import CancelScope, to_thread

from kubebox import _arguments
from kubebox._archive import pack, unpack
from kubebox._files import files_of
from kubebox._finishing import finish
from kubebox._older import told_of_older_servers
from kubebox._transferred import Transferred
from kubebox._transport.base import Transport
from kubebox.errors import AnswerInvalid, ConnectionLost
from kubebox_protocol.files import FolderUnpacked
from kubebox_protocol.meanwhile import Meanwhile

OnProgress: TypeAlias = Callable[[int], object]
"""Is given the bytes that have gone over the wire so far."""

BATCH_BYTES: Final = 256 * 1024
"""Bytes that are gathered before the thread gets them: to hand them over takes longer than a piece as the network gives it."""

BATCHES_AHEAD: Final = 4
"""Batches that are fetched before the thread has taken the first: enough that neither waits for the other."""

TRANSFER_SECONDS: Final = 600.0
"""Seconds that the answer may take after the last byte was sent: the sandbox may still be writing what its disk has not taken."""


async def upload_folder(
    transport: Transport,
    session_id: str,
    folder: Path,
    path: str,
    *,
    ignore: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Transferred:
    """Send a folder of this machine.

    Raises:
        LocalFileError: It cannot be read, or changed meanwhile. Files that came whole are there.
        AnswerInvalid: The sandbox unpacked something else than was sent.
    """
    sending = _Sending(folder, ignore, on_progress)
    with told_of_older_servers("folders"):
        unpacked = await transport.request(
            "PUT",
            f"{files_of(session_id)}/archive",
            FolderUnpacked,
            query={"path": _arguments.path(path)},
            content=sending.pieces(),
            timeout=TRANSFER_SECONDS,
        )
    summary = sending.summary
    if summary is None or unpacked.size != summary.size:
        raise AnswerInvalid(
            f"{path}: the sandbox unpacked {unpacked.size} bytes, which are not those sent", path=path
        )
    return summary


async def download_folder(
    transport: Transport,
    session_id: str,
    path: str,
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
) -> Transferred:
    """Fetch a folder of the sandbox into one of this machine.

    Raises:
        ArchiveRefused: The sandbox sent what would lead out of the folder. What came before is there.
        LocalFileError: This machine does not take a file.
        ConnectionLost: The connection broke off. Files that came whole are there.
    """
    query = {"path": _arguments.path(path)}
    with told_of_older_servers("folders"):
        async with transport.stream(f"{files_of(session_id)}/archive", query=query) as body:
            receiving = _Receiving(body.pieces, on_progress)
            async with receiving.fetching():
                return await finish(unpack, receiving, folder, on_cancel=receiving.stop)


class _Sending:
    """The pieces of a folder, each made in a thread while the one before it is sent."""

    def __init__(self, folder: Path, ignore: Sequence[str], on_progress: OnProgress | None) -> None:
        self._made = pack(folder, ignore)
        self._on_progress = on_progress
        self.summary: Transferred | None = None

    async def pieces(self) -> AsyncGenerator[bytes]:
        sent = 0
        packing = Meanwhile[bytes | Transferred]()
        try:
            packing.begin(to_thread.run_sync(next, self._made))
            while isinstance(piece := await packing.settled(), bytes):
                packing.begin(to_thread.run_sync(next, self._made))
                yield piece
                sent += len(piece)
                if self._on_progress is not None:
                    self._on_progress(sent)
        finally:
            with CancelScope(shield=True):
                await packing.ended()
        self.summary = piece


class _Receiving:
    """A stream as a file that a thread reads, while the event loop fetches a little ahead of it."""

    def __init__(self, pieces: AsyncIterator[bytes], on_progress: OnProgress | None) -> None:
        self._pieces = pieces
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(BATCHES_AHEAD)
        self._batches: SimpleQueue[list[bytes] | Exception] = SimpleQueue()
        self._rest = b""
        self._stopped = False

    def read(self, size: int, /) -> bytes:
        batch = self._rest or self._next()
        self._rest = batch[size:]
        return batch[:size] if self._rest else batch

    def stop(self) -> None:
        """Have the thread read no further: what it has not finished goes again."""
        self._stopped = True
        self._batches.put(ConnectionLost("the transfer was ended on this side"))

    @asynccontextmanager
    async def fetching(self) -> AsyncGenerator[None]:
        """Fetch while the body runs."""
        fetching = asyncio.ensure_future(self._fetch())
        try:
            yield
        finally:
            fetching.cancel()
            await asyncio.wait({fetching})

    def _next(self) -> bytes:
        batch = self._batches.get()
        if isinstance(batch, Exception):
            raise batch
        if self._stopped:
            raise ConnectionLost("the transfer was ended on this side")
        self._loop.call_soon_threadsafe(self._room.release)
        return b"".join(batch)

    async def _fetch(self) -> None:
        received, batch, batch_bytes = 0, list[bytes](), 0
        try:
            async for piece in self._pieces:
                batch.append(piece)
                batch_bytes += len(piece)
                received += len(piece)
                if batch_bytes >= BATCH_BYTES:
                    await self._room.acquire()
                    self._batches.put(batch)
                    batch, batch_bytes = [], 0
                if self._on_progress is not None:
                    self._on_progress(received)
        except (
            Exception
        ) as error:  # whatever it is, the thread has it, and raises it where this is waited for
            self._batches.put(error)
            return
        if batch:
            self._batches.put(batch)
        self._batches.put([])
