"""A server that is older than this client: what it does not know is said to be that, and to whom."""

import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from kubebox import errors
from kubebox._sandbox_files import SandboxFiles
from kubebox.client import SandboxClient
from kubebox_protocol import packets
from kubebox_protocol.errors import ErrorBody, ErrorCode
from kubebox_protocol.files import FileInfo
from kubebox_protocol.keys import new_private_key

from .impostor import Impostor

NO_ROUTE = ErrorBody(code=ErrorCode.ROUTE_NOT_FOUND, message="there is nothing here")
NO_FIELD = ErrorBody(
    code=ErrorCode.INVALID_REQUEST,
    message="the request is not valid",
    data={"fields": [{"field": "depth", "message": "Extra inputs are not permitted"}]},
)
FOLDER = FileInfo(path="folder", type="directory", size=0, mode=0o755, modified=0.0)


@pytest.fixture
async def files() -> AsyncGenerator[SandboxFiles]:
    """Those of a server without any of the routes that came later."""
    impostor = Impostor()

    async def info(request: web.Request) -> web.Response:
        return web.json_response(impostor.info(request.query["nonce"]))

    async def connect(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await websocket.send_str(packets.OPEN + "{}")
        await websocket.receive_str()
        await websocket.send_str(packets.CONNECT + json.dumps({"sid": "x"}))
        async for _ in websocket:
            pass
        return websocket

    async def stat(_: web.Request) -> web.Response:
        return web.json_response(FOLDER.model_dump())

    async def list_files(request: web.Request) -> web.Response:
        known = "depth" not in await request.json()
        return web.json_response(
            {"entries": []} if known else NO_FIELD.model_dump(), status=200 if known else 400
        )

    async def other(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(NO_ROUTE.model_dump(), status=404)

    app = web.Application()
    app.router.add_get("/v1/info", info)
    app.router.add_get(packets.PATH, connect)
    app.router.add_get("/v1/sessions/main/files/stat", stat)
    app.router.add_post("/v1/sessions/main/files/list", list_files)
    app.router.add_route("*", "/{other:.*}", other)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with anyio.fail_after(20):
            async with SandboxClient(
                new_private_key(), f"http://127.0.0.1:{runner.addresses[0][1]}"
            ) as client:
                yield client.files("main")
    finally:
        await runner.cleanup()


async def test_what_an_older_server_does_not_know(files: SandboxFiles, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("x")
    for call in (
        files.upload(mine, "x"),
        files.upload(tmp_path, "x"),
        files.download("folder", tmp_path / "back"),
        files.list(depth=2),
    ):
        with pytest.raises(errors.NotSupported, match="older") as told:
            await call
        assert told.value.code == "not-supported"
    assert (await files.list(depth=None)).entries == []
    assert os.listdir(tmp_path) == ["mine"]
