"""REST: files."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from kubebox_protocol.files import (
    CopyFile,
    EditFile,
    FileAppended,
    FileEdited,
    FileExists,
    FileInfo,
    FileWritten,
    FolderUnpacked,
    ListFiles,
    MakeDirectories,
    Rename,
)
from kubebox_sandbox import files
from kubebox_sandbox.doors.file_answer import answer_file
from kubebox_sandbox.doors.rest_requests import InRooms, InSession, body_of
from kubebox_sandbox.doors.streams import StreamedBytes

FILES = "/v1/sessions/{session_id}/files"
Path = Annotated[str, Query()]
Version = Annotated[str | None, Query(max_length=80)]


def add_files(app: FastAPI) -> None:
    """Add the routes of files."""

    @app.get(FILES)
    async def read(rooms: InRooms, session: InSession, request: Request, path: Path) -> Response:
        file = await files.open_file(rooms.workspace, session, path)
        return answer_file(file, rooms.file_threads, request.headers)

    @app.put(FILES)
    async def write(
        rooms: InRooms,
        session: InSession,
        request: Request,
        path: Path,
        make_dirs: bool = False,
        expected: Version = None,
    ) -> FileWritten:
        return await files.write_file(
            rooms.workspace,
            rooms.file_threads,
            session,
            path,
            request.stream(),
            make_dirs=make_dirs,
            expected=expected,
        )

    @app.post(f"{FILES}/append")
    async def append(
        rooms: InRooms, session: InSession, request: Request, path: Path, make_dirs: bool = False
    ) -> FileAppended:
        return await files.append_file(
            rooms.workspace, rooms.file_threads, session, path, request.stream(), make_dirs=make_dirs
        )

    @app.get(f"{FILES}/archive")
    async def pack(rooms: InRooms, session: InSession, path: Path = "") -> Response:
        packed = await files.pack_folder(rooms.workspace, session, path)
        return StreamedBytes(packed.pieces(), {"content-type": "application/x-tar"}, packed.close)

    @app.put(f"{FILES}/archive")
    async def unpack(rooms: InRooms, session: InSession, request: Request, path: Path = "") -> FolderUnpacked:
        return await files.unpack_folder(rooms.workspace, session, path, request.stream())

    @app.get(f"{FILES}/watch")
    async def watch(rooms: InRooms, session: InSession, path: Path = "", recursive: bool = True) -> Response:
        watched = await rooms.watches.begin(rooms.workspace, session, path, recursive=recursive)
        return StreamedBytes(watched.lines(), {"content-type": "application/jsonl"}, watched.close)

    @app.post(f"{FILES}/rename", status_code=204)
    async def rename(rooms: InRooms, session: InSession, request: Request) -> None:
        await files.rename(rooms.workspace, session, await body_of(request, Rename))

    @app.post(f"{FILES}/copy")
    async def copy(rooms: InRooms, session: InSession, request: Request) -> FileWritten:
        asked = await body_of(request, CopyFile)
        return await files.copy_file(rooms.workspace, rooms.file_threads, session, asked)

    @app.post(f"{FILES}/edit")
    async def edit(rooms: InRooms, session: InSession, request: Request) -> FileEdited:
        asked = await body_of(request, EditFile)
        return await files.edit_file(rooms.workspace, rooms.file_threads, session, asked)

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
