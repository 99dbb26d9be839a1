"""Sending what this machine has: a file, exact over every cut, or a folder."""

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

from anyio import CancelScope, move_on_after, to_thread

from kubebox import _arguments
from kubebox._files import files_of
from kubebox._finishing import finish
from kubebox._folders import TRANSFER_SECONDS, OnProgress, upload_folder
from kubebox._local_files import told
from kubebox._local_source import LocalSource
from kubebox._older import told_of_older_servers
from kubebox._transferred import Transferred
from kubebox._transport.base import Transport
from kubebox.errors import (
    AnswerInvalid,
    ConnectionFailed,
    KubeboxError,
    SandboxIsADirectory,
    UploadConflict,
    UploadNotFound,
)
from kubebox_protocol.files import FileWritten
from kubebox_protocol.uploads import BeginUpload, UploadStatus

FAREWELL_SECONDS: Final = 5.0
"""Seconds to have the sandbox remove what has come of an upload that ends here; after its own time it does so by itself."""


async def upload(
    transport: Transport,
    session_id: str,
    source: Path,
    path: str,
    *,
    ignore: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Transferred:
    """Send a file or a folder of this machine, whichever it is.

    Raises:
        LocalFileError: There is neither, or it changed meanwhile.
        NotSupported: The sandbox's server is older than this.
    """
    if await to_thread.run_sync(_is_folder, source):
        return await upload_folder(
            transport, session_id, source, path, ignore=ignore, on_progress=on_progress
        )
    file = LocalSource(source)
    try:
        await finish(file.open)
        if not path or path.endswith("/"):
            return await _Upload(transport, session_id, file, path + source.name, on_progress).send()
        try:
            return await _Upload(transport, session_id, file, path, on_progress).send()
        except SandboxIsADirectory:
            inside = posixpath.join(path, source.name)
            return await _Upload(transport, session_id, file, inside, on_progress).send()
    finally:
        await file.close()


class _Upload:
    """One file on its way, to one place."""

    def __init__(
        self,
        transport: Transport,
        session_id: str,
        file: LocalSource,
        path: str,
        on_progress: OnProgress | None,
    ) -> None:
        self._transport = transport
        self._url = f"{files_of(session_id)}/uploads"
        self._file = file
        self._on_progress = on_progress
        self._asked = _arguments.build(
            BeginUpload,
            upload_id=uuid4(),
            path=_arguments.path(path),
            size=file.size,
            mode=file.mode,
            modified_ns=file.modified_ns,
            make_dirs=True,
        )

    async def send(self) -> Transferred:
        """Send it.

        Raises:
            AnswerInvalid: The sandbox wrote something else than was sent.
        """
        try:
            with told_of_older_servers("uploads"):
                status = await self._begin()
            written = await self._rest(status)
        except BaseException:  # Cancellation too: nothing half-written is to be left.
            await self._give_up()
            raise
        if (written.size, written.sha256) != (self._file.size, self._file.sha256):
            raise AnswerInvalid(
                f"{written.path}: the sandbox wrote {written.size} bytes that are not the ones sent",
                path=written.path,
            )
        return Transferred(1, written.size, sha256=written.sha256)

    async def _rest(self, status: UploadStatus) -> FileWritten:
        outage = self._transport.outage()
        while status.written is None:
            try:
                return await self._put(status.offset)
            except (ConnectionFailed, UploadNotFound, UploadConflict) as failure:
                if isinstance(failure, ConnectionFailed):
                    await self._transport.reach_again(failure, outage)
                before, status = status, await self._begin()
                if status.offset > before.offset:
                    outage.begin()  # That connection was good.
                elif not isinstance(failure, ConnectionFailed):
                    raise
                elif self._file.is_sent and status.written is None and status.offset == 0:
                    raise  # The server has forgotten it: whether the file is in its place, nobody knows.
        return status.written

    async def _begin(self) -> UploadStatus:
        return await self._transport.request("POST", self._url, UploadStatus, body=self._asked, repeat=True)

    async def _put(self, offset: int) -> FileWritten:
        return await self._transport.request(
            "PUT",
            f"{self._url}/{self._asked.upload_id}",
            FileWritten,
            query={"offset": offset},
            content=self._file.pieces(offset, self._on_progress),
            length=self._file.size - offset,
            timeout=TRANSFER_SECONDS,
        )

    async def _give_up(self) -> None:
        with CancelScope(shield=True), move_on_after(FAREWELL_SECONDS):
            try:
                await self._transport.delete(f"{self._url}/{self._asked.upload_id}")
            except KubeboxError:
                return  # Whoever cannot be reached removes it by itself.


def _is_folder(source: Path) -> bool:
    with told(source):
        return source.is_dir()
