"""python-socketio, which has no types, behind a small typed front. Nothing else imports it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedBaseClass=false, reportArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from socketio import AsyncServer
from socketio.exceptions import ConnectionRefusedError as SocketIORefused
from socketio.packet import BINARY_ACK, BINARY_EVENT, EVENT, Packet
from starlette.types import Receive, Scope, Send

from kubebox_protocol.errors import Refused
from kubebox_protocol.limits import MAX_REQUEST_BYTES
from kubebox_sandbox.doors.failures import strict_loads

MAX_ATTACHMENTS = 4
"""Binary parts of one message from a client. Ours have one; python-socketio keeps them in memory until all
have come."""

RESERVED = ("connect", "disconnect")

Connect = Callable[[str, Scope, Any], None]
Disconnect = Callable[[str], None]
Event = Callable[[str, str, tuple[Any, ...]], Awaitable[Any]]


class _StrictJson:
    loads = staticmethod(strict_loads)
    dumps = staticmethod(json.dumps)


class StrictPacket(Packet):
    """A packet with strict JSON, few attachments, and no event of a name that is python-socketio's own."""

    json = _StrictJson

    def decode(self, encoded_packet: Any) -> int:
        """Decode what came, or raise ValueError, which drops it."""
        count = super().decode(encoded_packet) or 0
        if count > MAX_ATTACHMENTS:
            raise ValueError("too many attachments")
        if self.packet_type in (EVENT, BINARY_EVENT):
            data: Any = self.data
            if not isinstance(data, list) or not data or not isinstance(data[0], str) or data[0] in RESERVED:
                raise ValueError("not an event")
        elif self.packet_type == BINARY_ACK:
            raise ValueError("nothing that was sent asks for an answer")
        return count


class SocketServer:
    """A Socket.IO server over WebSocket alone.

    Args:
        on_connect: Called with a new connection's id, its ASGI scope and its `auth`; raises `Refused` to
            turn it away.
        on_disconnect: Called when one is gone.
        on_event: Called with the connection's id, the event's name and its arguments; what it returns is
            the acknowledgement.
    """

    def __init__(self, on_connect: Connect, on_disconnect: Disconnect, on_event: Event) -> None:
        logger = logging.getLogger("kubebox_sandbox.socketio")
        logger.setLevel(
            logging.CRITICAL
        )  # It logs each malformed packet with a traceback: a flood at anybody's will.
        self._server = AsyncServer(
            async_mode="asgi",
            transports=["websocket"],
            cors_allowed_origins=[],  # Turns its own check off: access.py has seen the Origin already.
            http_compression=False,
            max_http_buffer_size=MAX_REQUEST_BYTES,
            serializer=StrictPacket,
            logger=logger,
            engineio_logger=logger,
            async_handlers=True,
        )

        async def connect(connection: str, environ: dict[str, Any], auth: Any = None) -> None:
            try:
                on_connect(connection, environ["asgi.scope"], auth)
            except Refused as refused:
                raise SocketIORefused(refused.message, refused.body().model_dump()) from None

        async def disconnect(connection: str, reason: Any = None) -> None:
            on_disconnect(connection)

        async def event(name: str, connection: str, *arguments: Any) -> Any:
            return await on_event(connection, name, arguments)

        self._server.on("connect", connect)
        self._server.on("disconnect", disconnect)
        self._server.on("*", event)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket."""
        await self._server.handle_request(scope, receive, send)

    async def emit(self, connection: str, event: str, payload: dict[str, Any]) -> None:
        """Send an event to one connection.

        Its queue has no bound: what is sent must be paid for by credit. Straight to the one connection: python-socketio's own
        `emit` is for rooms, and makes a task for each part of each message.
        """
        transport = self._server.manager.eio_sid_from_sid(connection, "/")
        if transport is None:
            return  # It is gone.
        encoded = StrictPacket(EVENT, data=[event, payload]).encode()
        for part in encoded if isinstance(encoded, list) else [encoded]:
            await self._server.eio.send(transport, part)

    async def disconnect(self, connection: str) -> None:
        """End a connection."""
        await self._server.disconnect(connection)
