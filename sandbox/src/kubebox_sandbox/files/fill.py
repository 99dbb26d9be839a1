"""Bytes on their way into a file, counted and hashed."""

import hashlib
import os
from collections.abc import AsyncIterator
from typing import Final

from anyio import CancelScope

from kubebox_protocol.meanwhile import Meanwhile
from kubebox_sandbox.files.failures import system_refusal
from kubebox_sandbox.files.threads import FileThreads

PIECE_BYTES: Final = 512 * 1024
"""Bytes of a body in memory before they are written; as many are being written meanwhile."""


class Filling:
    """A file that is filled, by one body or by several, one after the other.

    Args:
        threads: Those that write.
        descriptor: Where to.
        path: In the client's words.

    Attributes:
        size: Bytes that are written.
    """

    def __init__(self, threads: FileThreads, descriptor: int, path: str) -> None:
        self._threads = threads
        self._descriptor = descriptor
        self._path = path
        self._hashed = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of all that is written."""
        return self._hashed.hexdigest()

    async def take(self, body: AsyncIterator[bytes]) -> None:
        """Write all that comes.

        Raises:
            Refused: The kernel refuses.
        """
        waiting: list[bytes] = []
        waiting_bytes = 0
        writing = Meanwhile[None]()
        try:
            async for piece in body:
                waiting.append(piece)
                waiting_bytes += len(piece)
                if waiting_bytes >= PIECE_BYTES:
                    await writing.settled()
                    writing.begin(self._write(waiting, waiting_bytes))
                    waiting, waiting_bytes = [], 0
            await writing.settled()
            if waiting_bytes:
                await self._write(waiting, waiting_bytes)
        finally:  # Whoever is told that it failed may write again: nothing of this may come after that.
            with CancelScope(shield=True):
                await writing.ended()

    async def _write(self, pieces: list[bytes], size: int) -> None:
        try:
            await self._threads.run(self._write_out, pieces)
        except OSError as error:
            raise system_refusal(error, self._path) from None
        self.size += size

    def _write_out(self, pieces: list[bytes]) -> None:
        # A descriptor of the thread's own: where the thread was given up, the number may mean another file
        # by now.
        own = os.dup(self._descriptor)
        try:
            for piece in pieces:
                self._hashed.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[os.write(own, view) :]
        finally:
            os.close(own)
