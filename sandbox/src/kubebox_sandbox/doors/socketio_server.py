"""Socket.IO over WebSocket alone, as an ASGI application: connections, their messages, their end.

What is sent waits until the connection takes it: a client that does not read holds up its own readers, and nothing queues for it.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from kubebox_protocol import packets
from kubebox_protocol.errors import Refused
from kubebox_protocol.limits import MAX_REQUEST_BYTES
from kubebox_sandbox.doors.failures import strict_loads
from kubebox_sandbox.doors.frames import (
    NORMAL,
    POLICY_VIOLATION,
    TOO_LARGE,
    frame_of,
    message_of,
    say_goodbye,
)
from kubebox_sandbox.tasks import Tasks

MAX_ATTACHMENTS: Final = 4
"""Binary parts of one message from a client. Ours have one; they are held in memory until all have come, and count as bytes of
their message (`MAX_REQUEST_BYTES`)."""

PING_SECONDS: Final = 10.0
"""Seconds between two questions whether the client is there: a reader that is gone must not hold its place for long."""

PONG_SECONDS: Final = 15.0
"""Seconds for its answer."""

CONNECT_SECONDS: Final = 10.0
"""Seconds from the WebSocket's handshake to Socket.IO's own, which brings the token."""

Connect = Callable[["SocketConnection", Scope, Any], None]
Disconnect = Callable[["SocketConnection"], None]
Handle = Callable[["SocketConnection", packets.Event], Awaitable[Any]]


class SocketConnection:
    """One client's connection.

    Args:
        receive: ASGI's.
        send: ASGI's.
        tasks: Owns what answers its events.
    """

    def __init__(self, receive: Receive, send: Send, tasks: Tasks) -> None:
        self._receive = receive
        self._send = send
        self._tasks = tasks
        self._turn = asyncio.Lock()
        self._reader = packets.Reader(strict_loads, MAX_ATTACHMENTS, MAX_REQUEST_BYTES)
        self._open = True
        self._ping: asyncio.TimerHandle | None = None
        self._patience: asyncio.Timeout | None = None

    async def serve(self, scope: Scope, on_connect: Connect, handle: Handle) -> None:
        """Take what comes until the connection ends."""
        await self._receive()  # "websocket.connect", ASGI's own beginning.
        await self._send({"type": "websocket.accept"})
        try:
            async with asyncio.timeout(CONNECT_SECONDS) as self._patience:
                await self._introduce()
                if not await self._connect(scope, on_connect):
                    return
                self._patience.reschedule(None)
                self._ask_soon()
                await self._take_all(handle)
        except TimeoutError:
            await self.close(POLICY_VIOLATION)
        except packets.TooLarge:  # As the WebSocket itself ends, where one frame alone is.
            await self.close(TOO_LARGE)
        finally:
            self._open = False
            if self._ping is not None:
                self._ping.cancel()

    async def emit(self, event: str, payload: dict[str, Any]) -> None:
        """Send an event, as soon as the connection takes it."""
        await self._send_all(packets.event(event, payload))

    async def close(self, code: int = NORMAL) -> None:
        """End it."""
        if self._open:
            self._open = False
            await say_goodbye(self._send, code)

    async def _introduce(self) -> None:
        opening: dict[str, Any] = {
            "sid": secrets.token_urlsafe(15),
            "upgrades": [],
            "pingInterval": int(PING_SECONDS * 1000),
            "pingTimeout": int(PONG_SECONDS * 1000),
            "maxPayload": MAX_REQUEST_BYTES,
        }
        await self._send_all([packets.OPEN + json.dumps(opening)])

    async def _connect(self, scope: Scope, on_connect: Connect) -> bool:
        """Take Socket.IO's own handshake; False where it was turned away."""
        while (frame := await self._next()) is not None:
            if not isinstance(frame, str) or not frame.startswith(packets.CONNECT):
                continue
            try:
                on_connect(self, scope, _auth(frame.removeprefix(packets.CONNECT)))
            except Refused as refused:
                body = {"message": refused.message, "data": refused.body().model_dump()}
                await self._send_all([packets.CONNECT_ERROR + json.dumps(body)])
                await self.close(POLICY_VIOLATION)
                return False
            await self._send_all([packets.CONNECT + json.dumps({"sid": secrets.token_urlsafe(15)})])
            return True
        return False

    async def _take_all(self, handle: Handle) -> None:
        while (frame := await self._next()) is not None:
            if frame == packets.PONG:
                self._ask_soon()
            elif frame in (packets.DISCONNECT, packets.CLOSE):
                await self.close()
                return
            elif isinstance(frame, str) and frame.startswith(packets.PING):
                await self._send_all([packets.PONG + frame[1:]])
            else:
                await self._take(frame, handle)

    async def _take(self, frame: str | bytes, handle: Handle) -> None:
        try:
            message = self._reader.text(frame) if isinstance(frame, str) else self._reader.binary(frame)
        except (packets.Malformed, Refused):
            return  # Dropped without a word: a flood of them must not become one of the log.
        if isinstance(message, packets.Event):
            # Whoever does not take what is sent is not read from, or long answers would heap up.
            async with self._turn:
                self._tasks.start(self._answer, message, handle)
            await asyncio.sleep(0)  # Its turn comes before the next message is taken.

    async def _answer(self, message: packets.Event, handle: Handle) -> None:
        answer = await handle(self, message)
        if message.number is not None:
            await self._send_all(packets.acknowledgement(message.number, answer))

    async def _next(self) -> str | bytes | None:
        """The next frame; `None` when there are no more."""
        frame = frame_of(await self._receive())
        if frame is None:
            self._open = False
        return frame

    async def _send_all(self, frames: Sequence[str | bytes]) -> None:
        """Send a message: its frames go out together, and one message at a time."""
        async with self._turn:
            for frame in frames:
                if not self._open:
                    return
                try:
                    await self._send(message_of(frame))
                except (OSError, RuntimeError):  # It has ended meanwhile, which the reader is told as well.
                    self._open = False

    def _ask_soon(self) -> None:
        if self._ping is not None:
            self._ping.cancel()
        if self._patience is not None:
            self._patience.reschedule(None)
        self._ping = asyncio.get_running_loop().call_later(PING_SECONDS, self._ask)

    def _ask(self) -> None:
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + PONG_SECONDS)
        self._tasks.start(self._send_all, [packets.PING])


class SocketServer:
    """The application.

    Args:
        on_connect: Called with a new connection, its scope and its `auth`; raises `Refused` to turn it away.
        on_disconnect: Called when one is gone.
        handle: Called with each event; what it returns is the answer.
    """

    def __init__(self, on_connect: Connect, on_disconnect: Disconnect, handle: Handle) -> None:
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._handle = handle

    async def serve(self, scope: Scope, receive: Receive, send: Send, tasks: Tasks) -> None:
        """Serve one WebSocket."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if any(query.get(name) != [value] for name, value in packets.QUERY.items()):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        connection = SocketConnection(receive, send, tasks)
        try:
            await connection.serve(scope, self._on_connect, self._handle)
        finally:
            self._on_disconnect(connection)


def _auth(text: str) -> Any:
    if text.startswith("/"):  # With the namespace spelt out; ours is the only one.
        namespace, _, text = text.partition(",")
        if namespace != "/":
            return None
    try:
        return strict_loads(text) if text else None
    except Refused:
        return None
