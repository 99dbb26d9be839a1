"""The application: `create_app(settings)` puts doors and rooms together. No state lives in any module."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from kubebox_protocol.tokens import HANDSHAKE_TARGET
from kubebox_sandbox.access import Access, AccessMiddleware
from kubebox_sandbox.answers import FailureBoundary, refuse
from kubebox_sandbox.doors.failures import ROUTE_NOT_FOUND
from kubebox_sandbox.doors.port_connections import PortConnections, is_connection
from kubebox_sandbox.doors.realtime import Realtime
from kubebox_sandbox.doors.rest import rest_app
from kubebox_sandbox.rooms import ComingRooms, open_rooms
from kubebox_sandbox.settings import Settings


def create_app(settings: Settings) -> ASGIApp:
    """The server as an ASGI application. Its lifespan opens and closes everything that it needs."""
    access = Access.of(settings)
    rest = rest_app()
    coming = ComingRooms()
    realtime = Realtime(access, coming)
    connections = PortConnections(access, coming)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_rooms(settings, access) as rooms:
            app.state.rooms = rooms
            coming.open(rooms)
            yield

    rest.router.lifespan_context = lifespan
    doors = _Doors(rest, realtime, connections)
    return FailureBoundary(AccessMiddleware(doors, access, settings.allowed_hosts, settings.allowed_origins))


class _Doors:
    """Sends each request to its door."""

    def __init__(self, rest: FastAPI, realtime: Realtime, connections: PortConnections) -> None:
        self._rest = rest
        self._realtime = realtime
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] != HANDSHAKE_TARGET):
            await self._rest(scope, receive, send)
        elif scope["path"] == HANDSHAKE_TARGET:
            await self._realtime(scope, receive, send)
        elif is_connection(scope["path"]):
            await self._connections(scope, receive, send)
        else:
            await refuse(ROUTE_NOT_FOUND, scope, receive, send)
