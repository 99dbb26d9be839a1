"""A file that comes in parts: what has come is kept beside its place, until the rest has, or it has been waited for too long."""

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import CancelScope, Lock

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileWritten
from kubebox_protocol.uploads import BeginUpload, UploadStatus
from kubebox_sandbox.files.failures import ask, need_path
from kubebox_sandbox.files.fill import Filling
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.version import version_of
from kubebox_sandbox.files.write import NEW_FILE_MODE, abort, commit, ticket_of
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace

NOT_FOUND: Final = Refused(
    ErrorCode.UPLOAD_NOT_FOUND, "there is no such upload, or it has been given up; nothing of it is there"
)


class Upload:
    """One file on its way in. Whoever comes last has its turn: the one before has lost its connection, and may not know it yet.

    Args:
        workspace: Where it goes.
        threads: Those that write.
        asked: What was asked for.

    Attributes:
        asked: As given.
        touched: When somebody last had to do with it, by the monotonic clock.
    """

    def __init__(self, workspace: Workspace, threads: FileThreads, asked: BeginUpload) -> None:
        self._workspace = workspace
        self._threads = threads
        self._lock = Lock()
        self._turns = 0
        self._listening = CancelScope()
        self._filling: Filling | None = None
        self._descriptor = -1
        self._ticket = 0
        self._written: FileWritten | None = None
        self._failure: Refused | None = None
        self.asked = asked
        self.touched = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether more of it may come."""
        return self._written is None and self._failure is None

    @property
    def is_busy(self) -> bool:
        """Whether somebody has to do with it now."""
        return self._lock.locked()

    async def begin(self, session: Session) -> UploadStatus:
        """Make the new file where there is none yet, and say how much has come.

        Raises:
            Refused: It cannot be made, or failed before.
        """
        async with self._turn():
            if self._failure is not None:
                raise self._failure
            if self._written is not None:
                return UploadStatus(offset=self._written.size, written=self._written)
            if self._filling is None:
                async with self._failing():
                    self._filling = await self._create(session)
            return UploadStatus(offset=self._filling.size)

    async def take(self, offset: int, body: AsyncIterator[bytes]) -> FileWritten:
        """Take what comes, and put the file into its place when it is whole.

        Raises:
            Refused: It cannot be written, or is not whole yet.
        """
        async with self._turn() as turn:
            if self._failure is not None:
                raise self._failure
            if self._written is not None:
                return self._written
            if self._filling is None:
                raise NOT_FOUND
            if offset > self._filling.size:
                raise self._incomplete(self._filling)
            async with self._failing():
                await self._filling.take(self._heard(turn, offset, body))
                if self._filling.size == self.asked.size:
                    self._written = await self._finish(self._filling)
                    return self._written
            raise self._incomplete(self._filling)

    async def give_up(self) -> None:
        """Remove what has come of it, unless it is whole."""
        async with self._turn():
            if self.is_open:
                self._failure = NOT_FOUND
                await self._discard()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[int]:
        self._turns += 1
        turn = self._turns
        self._listening.cancel()
        async with self._lock:
            try:
                yield turn
            finally:
                self.touched = time.monotonic()

    @asynccontextmanager
    async def _failing(self) -> AsyncGenerator[None]:
        """What fails in here has failed for good: how much is written is not known any more."""
        try:
            yield
        except BaseException as error:  # Cancellation too: nothing half-written is left.
            self._failure = error if isinstance(error, Refused) else NOT_FOUND
            with CancelScope(shield=True):
                await self._discard()
            raise

    async def _create(self, session: Session) -> Filling:
        asked = self.asked
        need_path(asked.path)
        mode = NEW_FILE_MODE if asked.mode is None else asked.mode
        created = await ask(
            self._workspace,
            "create",
            session,
            asked.path,
            expected=1,
            make_dirs=asked.make_dirs,
            mode=mode,
            exact=asked.mode is not None,
        )
        (self._descriptor,) = created.descriptors
        self._ticket = ticket_of(created)
        system = await self._threads.run(os.fstatvfs, self._descriptor)
        room = system.f_bavail * system.f_frsize
        if system.f_blocks and room < asked.size:
            raise Refused(
                ErrorCode.NO_SPACE,
                f"the workspace has no space left for {asked.path[:256]!r}: {room} bytes of {asked.size}",
            )
        return Filling(self._threads, self._descriptor, asked.path)

    async def _heard(self, turn: int, offset: int, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """What is new of a body, until its end, or until another one has its turn."""
        assert self._filling is not None  # noqa: S101 - for the type checker
        known, at = self._filling.size, offset
        while turn == self._turns:
            piece = b""
            with CancelScope() as self._listening:
                piece = await anext(body, b"")
            if not piece:
                return
            at += len(piece)
            if at > self.asked.size:
                raise Refused(
                    ErrorCode.INVALID_REQUEST,
                    f"the file was to have {self.asked.size} bytes, and there are more",
                )
            if at > known:
                yield piece[max(0, len(piece) - (at - known)) :]

    def _incomplete(self, filling: Filling) -> Refused:
        return Refused(
            ErrorCode.UPLOAD_CONFLICT,
            f"{filling.size} bytes of {self.asked.size} have come; the next ones begin there",
            offset=filling.size,
        )

    async def _finish(self, filling: Filling) -> FileWritten:
        asked = self.asked
        await commit(self._workspace, self._ticket, asked.path, modified_ns=asked.modified_ns)
        self._ticket = 0
        version = version_of(self._descriptor)
        descriptor, self._descriptor = self._descriptor, -1
        await self._workspace.closer.close(descriptor)  # A program that is open for writing cannot be run.
        return FileWritten(path=asked.path, size=filling.size, sha256=filling.sha256, version=version)

    async def _discard(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._workspace.closer.give([descriptor])
        ticket, self._ticket = self._ticket, 0
        if ticket:
            await abort(self._workspace, ticket)
