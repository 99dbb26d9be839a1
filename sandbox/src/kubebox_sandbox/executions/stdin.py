"""Standard input given with a command's start."""

import asyncio
import os

DEV_NULL = "/dev/null"
PIECE_BYTES = 64 * 1024
"""Bytes of one write: what a pipe holds."""


class StandardInput:
    """Feeds bytes into a pipe as the command reads them, never blocking.

    Attributes:
        descriptor: The command's end: the pipe's, or the null device where there is nothing to read. The
            caller closes it.
    """

    def __init__(self, content: bytes | None) -> None:
        self._writing = -1
        self._content = memoryview(content or b"")
        if not content:
            self.descriptor = os.open(DEV_NULL, os.O_RDONLY | os.O_CLOEXEC)
            return
        self.descriptor, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._writing, False)

    def start(self) -> None:
        """Begin to write."""
        if self._writing >= 0:
            asyncio.get_running_loop().add_writer(self._writing, self._writable)

    def close(self) -> None:
        """Stop writing; the command sees the end of file."""
        if self._writing >= 0:
            asyncio.get_running_loop().remove_writer(self._writing)
            os.close(self._writing)
            self._writing = -1
        self._content.release()
        self._content = memoryview(b"")

    def _writable(self) -> None:
        try:
            written = os.write(self._writing, self._content[:PIECE_BYTES])
        except BlockingIOError:
            return
        except BrokenPipeError:  # Nobody reads any more.
            self.close()
            return
        self._content = self._content[written:]
        if not self._content:
            self.close()
