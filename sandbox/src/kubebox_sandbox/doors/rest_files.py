"""REST: files."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from kubebox_protocol.files import FileExists, FileInfo, FileWritten, ListFiles, MakeDirectories
from kubebox_sandbox import files
from kubebox_sandbox.doors.rest_requests import RANGE, InRooms, InSession, body_of
from kubebox_sandbox.doors.streams import StreamedBytes

FILES = "/v1/sessions/{session_id}/files"
Path = Annotated[str, Query()]


def add_files(app: FastAPI) -> None:
    """Add the routes of files."""

    @app.get(FILES)
    async def read(rooms: InRooms, session: InSession, request: Request, path: Path) -> Response:
        file = await files.open_file(rooms.workspace, session, path)
        return _answer(file, rooms.file_threads, request.headers.get("range"))

    @app.put(FILES)
    async def write(
        rooms: InRooms, session: InSession, request: Request, path: Path, make_dirs: bool = False
    ) -> FileWritten:
        return await files.write_file(
            rooms.workspace, rooms.file_threads, session, path, request.stream(), make_dirs=make_dirs
        )

    @app.delete(FILES, status_code=204)
    async def delete(rooms: InRooms, session: InSession, path: Path, recursive: bool = False) -> None:
        await files.delete(rooms.workspace, session, path, recursive=recursive)

    @app.get(f"{FILES}/stat")
    async def stat(rooms: InRooms, session: InSession, path: Path) -> FileInfo:
        return await files.stat(rooms.workspace, session, path)

    @app.get(f"{FILES}/exists")
    async def exists(rooms: InRooms, session: InSession, path: Path) -> FileExists:
        return await files.exists(rooms.workspace, session, path)

    @app.post(f"{FILES}/list")
    async def list_files(rooms: InRooms, session: InSession, request: Request) -> Response:
        asked = await body_of(request, ListFiles)
        listing = await files.list_files(rooms.workspace, rooms.file_threads, session, asked)
        return Response(listing, media_type="application/json")

    @app.post(f"{FILES}/directories", status_code=204)
    async def make_directories(rooms: InRooms, session: InSession, request: Request) -> None:
        asked = await body_of(request, MakeDirectories)
        await files.make_directories(rooms.workspace, session, asked.path)


def _answer(file: files.OpenFile, threads: files.FileThreads, wanted: str | None) -> Response:
    start, end, status = 0, file.size, 200
    match = RANGE.fullmatch(wanted) if wanted else None
    if match is not None and int(match[1]) < file.size:
        start = int(match[1])
        end = min(file.size, int(match[2]) + 1) if match[2] else file.size
        if start >= end:
            start, end = 0, file.size
        else:
            status = 206
    headers = {
        "content-type": "application/octet-stream",
        "content-length": str(end - start),
        "accept-ranges": "bytes",
    }
    if status == 206:
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    return StreamedBytes(file.pieces(threads, start, end - start), headers, file.close, status)
