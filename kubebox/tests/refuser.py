"""A server that proves who it is, takes a connection for events, and finds every token expired."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from kubebox_protocol import packets
from kubebox_protocol.errors import ErrorBody, ErrorCode

from .impostor import Impostor

EXPIRED = ErrorBody(code=ErrorCode.TOKEN_EXPIRED, message="the token has expired; sign a new one")


class Refuser:
    """As a server is whose own clocks differ.

    Attributes:
        url: Its address.
        tokens: Those that it was shown.
    """

    def __init__(self) -> None:
        self._impostor = Impostor()
        self.url = ""
        self.tokens: list[str] = []

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Refuser"]:
        app = web.Application()
        app.router.add_get("/v1/info", self._info)
        app.router.add_get(packets.PATH, self._refuse)
        runner = web.AppRunner(app, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self._impostor.info(request.query["nonce"]))

    async def _refuse(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await websocket.send_str(packets.OPEN + "{}")
        shown = await websocket.receive_str()
        self.tokens.append(json.loads(shown.removeprefix(packets.CONNECT))["token"])
        body = {"message": EXPIRED.message, "data": EXPIRED.model_dump()}
        await websocket.send_str(packets.CONNECT_ERROR + json.dumps(body))
        await websocket.close()
        return websocket
