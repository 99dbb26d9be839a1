"""REST: files that come in parts."""

from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Query, Request
from starlette.requests import ClientDisconnect

from kubebox_protocol.files import FileWritten
from kubebox_protocol.limits import MAX_FILE_BYTES
from kubebox_protocol.uploads import BeginUpload, UploadStatus
from kubebox_sandbox.doors.rest_requests import InRooms, InSession, body_of

UPLOADS = "/v1/sessions/{session_id}/files/uploads"
Offset = Annotated[int, Query(ge=0, le=MAX_FILE_BYTES)]


def add_uploads(app: FastAPI) -> None:
    """Add the routes of uploads."""

    @app.post(UPLOADS)
    async def begin(rooms: InRooms, session: InSession, request: Request) -> UploadStatus:
        return await rooms.uploads.begin(session, await body_of(request, BeginUpload))

    @app.put(f"{UPLOADS}/{{upload_id}}")
    async def take(
        rooms: InRooms, session: InSession, request: Request, upload_id: UUID, offset: Offset = 0
    ) -> FileWritten:
        return await rooms.uploads.take(session, upload_id, offset, _what_comes(request))

    @app.delete(f"{UPLOADS}/{{upload_id}}", status_code=204)
    async def give_up(rooms: InRooms, session: InSession, upload_id: UUID) -> None:
        await rooms.uploads.give_up(session, upload_id)


async def _what_comes(request: Request) -> AsyncGenerator[bytes]:
    """A body, as far as it comes: what a cut has let through is kept, too."""
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        return
