"""All uploads of the server: each is found again by its name, for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final, TypeAlias
from uuid import UUID

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileWritten
from kubebox_protocol.uploads import BeginUpload, UploadStatus
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.files.upload import NOT_FOUND, Upload
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Workspace

KEEP_SECONDS: Final = 120.0
"""Seconds that an upload is kept after its last byte: twice as long as clients try to come back, unless told otherwise. What has
come of it takes space in the workspace until then; and who has lost the answer learns how it ended."""

SWEEP_SECONDS: Final = 10.0
"""Seconds between two looks for uploads that nobody came back for."""

MAX_OPEN: Final = 128
"""Uploads under way at once: half of the new files that init holds, so that plain writes have room beside them."""

MAX_KNOWN: Final = 4096
"""Uploads that are known, with those that have ended: some hundred bytes each, and more than end within their time of keeping."""

_Key: TypeAlias = tuple[str, UUID]


class Uploads:
    """Files that come in parts.

    Args:
        workspace: Where they go.
        threads: Those that write.
    """

    def __init__(self, workspace: Workspace, threads: FileThreads) -> None:
        self._workspace = workspace
        self._threads = threads
        self._known: dict[_Key, Upload] = {}

    async def begin(self, session: Session, asked: BeginUpload) -> UploadStatus:
        """Begin an upload, or say how far it has come.

        Raises:
            Refused: It cannot be begun, has failed, or is another one.
        """
        upload = self._known.get((session.session_id, asked.upload_id))
        if upload is None:
            self._make_room()
            upload = Upload(self._workspace, self._threads, asked)
            self._known[session.session_id, asked.upload_id] = upload
        elif upload.asked != asked:
            raise Refused(ErrorCode.UPLOAD_CONFLICT, "there is another upload of this name")
        return await upload.begin(session)

    async def take(
        self, session: Session, upload_id: UUID, offset: int, body: AsyncIterator[bytes]
    ) -> FileWritten:
        """Take more of one, from an offset on; what is there already is left out.

        Raises:
            Refused: There is no such upload, or it failed, or is not whole yet.
        """
        upload = self._known.get((session.session_id, upload_id))
        if upload is None:
            raise NOT_FOUND
        return await upload.take(offset, body)

    async def give_up(self, session: Session, upload_id: UUID) -> None:
        """Forget one, and remove what has come of it; a file that is whole stays."""
        upload = self._known.pop((session.session_id, upload_id), None)
        if upload is not None:
            await upload.give_up()

    async def keep_sweeping(self) -> None:
        """Give up what nobody came back for, for as long as the server lives."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._sweep(time.monotonic() - KEEP_SECONDS)

    async def _sweep(self, since: float) -> None:
        for key, upload in list(self._known.items()):
            if upload.touched < since and not upload.is_busy:
                del self._known[key]
                await upload.give_up()

    def _make_room(self) -> None:
        if sum(upload.is_open for upload in self._known.values()) >= MAX_OPEN:
            raise Refused(
                ErrorCode.TOO_MANY_REQUESTS,
                f"{MAX_OPEN} uploads are under way; end one of them first",
                limit=MAX_OPEN,
            )
        if len(self._known) >= MAX_KNOWN:
            oldest = min(
                (key for key, upload in self._known.items() if not upload.is_open),
                key=lambda key: self._known[key].touched,
            )
            del self._known[oldest]
