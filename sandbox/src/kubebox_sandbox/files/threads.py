"""Threads for bytes of the workspace's files, which can be slow and must slow nothing else down."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from anyio import CapacityLimiter, fail_after, to_thread

from kubebox_protocol.errors import ErrorCode, Refused

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

THREADS = 8
"""Pieces of files read or written at once. A file system that hangs can hold these, and nothing else of the
server."""

PIECE_SECONDS = 60.0
"""Seconds that one piece may take, waiting for a thread included."""


class FileThreads:
    """Runs what blocks on the workspace's files."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(THREADS)

    async def run(self, work: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
        """Run `work(*arguments)` in a thread.

        Raises:
            Refused: It did not end in time. The thread is left to it.
        """
        try:
            with fail_after(PIECE_SECONDS):
                return await to_thread.run_sync(
                    work, *arguments, abandon_on_cancel=True, limiter=self._limiter
                )
        except TimeoutError:
            raise Refused(
                ErrorCode.WORKSPACE_UNAVAILABLE, "the workspace's file system does not answer"
            ) from None
