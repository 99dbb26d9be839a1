"""Socket.IO over one WebSocket of aiohttp's: opened, read in order, closed in time."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp

from kubebox._transport.base import CONNECT_SECONDS
from kubebox._transport.http import uses_proxies
from kubebox._transport.redirects import refusing_redirects
from kubebox._transport.refusals import read_refusal
from kubebox.errors import (
    AccessDenied,
    AnswerInvalid,
    AnswerTimeout,
    ConnectionLost,
    KubeboxError,
    SandboxUnreachable,
)
from kubebox_protocol import packets

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one message from the server: a list of many executions is the longest."""

CLOSE_SECONDS: Final = 5.0
"""Seconds for a polite goodbye."""

Take = Callable[[packets.Event | packets.Acknowledgement], None]


class Socket:
    """One connection.

    Args:
        url: The server's address.
        heartbeat: Seconds of silence after which the server is asked whether it is there; half as long again without an
            answer ends the connection.
        take: Called with each message, in order.
        ended: Called once when the connection has ended by itself, with the reason where there is one.
    """

    def __init__(self, url: str, heartbeat: float, take: Take, ended: Callable[[str], None]) -> None:
        self._url = url
        self._heartbeat = heartbeat
        self._take = take
        self._ended = ended
        self._sockets: list[socket.socket] = []
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._pong: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._new_socket),
            trust_env=uses_proxies(url),
            trace_configs=[refusing_redirects(url)],
        )

    @property
    def given_up(self) -> bool:
        """Whether a ping was not answered, although nothing has told of it: something waits to be sent and is not taken."""
        return self._websocket is not None and self._websocket.closed

    async def open(self, token: str) -> None:
        """Connect, and show the token.

        Raises:
            KubeboxError: The server was not reached, refused, or is none of ours.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._websocket = await self._session.ws_connect(
                    f"{self._url}{packets.PATH}",
                    params=packets.QUERY,
                    heartbeat=self._heartbeat,
                    max_msg_size=MAX_MESSAGE_BYTES,
                )
                await self._introduce(self._websocket, token)
        except KubeboxError:  # Ours first: some are OSError or TimeoutError as well.
            raise
        except TimeoutError:
            raise AnswerTimeout(
                f"{self._url}: no answer to the connection within {CONNECT_SECONDS:g} s"
            ) from None
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SandboxUnreachable(
                f"{self._url}: cannot open the connection for events ({error})"
            ) from error
        self._reading = asyncio.create_task(self._read(self._websocket), name="kubebox: read the connection")

    async def send(self, frames: Sequence[str | bytes], before: Callable[[], None] | None = None) -> None:
        """Send a message: its frames go out together, and one message at a time.

        Args:
            frames: The message's.
            before: Called when it is its turn; nothing comes between that and the sending.

        Raises:
            ConnectionError: It has ended.
        """
        websocket = self._websocket
        if websocket is None or websocket.closed:
            raise ConnectionResetError("the connection has ended")
        if len(frames) == 1 and not self._turn.locked():
            if before is not None:
                before()
            await _send(websocket, frames[0])  # In one piece, so nothing can come between.
            return
        async with self._turn:
            if before is not None:
                before()
            for frame in frames:
                await _send(websocket, frame)

    async def close(self, *, polite: bool) -> None:
        """Free what the connection holds.

        Args:
            polite: Whether to say goodbye, where that does not take long. Else the connection is cut.
        """
        if not polite:
            self._cut()
        running = {task for task in (self._reading, self._pong) if task is not None}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        if self._websocket is not None:  # One that was cut has nobody left to wait for.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._websocket.close()
        await self._session.close()

    async def _introduce(self, websocket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        frame = await self._handshake_frame(websocket)
        if not frame.startswith(packets.OPEN):
            raise AnswerInvalid(f"{self._url}: what answers does not speak Socket.IO")
        await websocket.send_str(packets.CONNECT + json.dumps({"token": token}))
        while not (frame := await self._handshake_frame(websocket)).startswith(packets.CONNECT):
            if frame.startswith(packets.CONNECT_ERROR):
                raise self._turned_away(frame.removeprefix(packets.CONNECT_ERROR))

    async def _handshake_frame(self, websocket: aiohttp.ClientWebSocketResponse) -> str:
        message = await websocket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionLost(f"{self._url}: the connection broke off while it was being made")
        return str(message.data)

    async def _read(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        reader = packets.Reader()
        reason = ""
        try:
            async for message in websocket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take_text(websocket, reader, message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self._take_whole(reader.binary(message.data))
        except packets.Malformed as error:
            reason = f"the server sent what is not ours: {error}"
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error)
        self._ended(reason)

    def _take_text(
        self, websocket: aiohttp.ClientWebSocketResponse, reader: packets.Reader, frame: str
    ) -> None:
        if frame.startswith(packets.PING):
            # In a task of its own: what is sent may have to wait for what is read.
            if self._pong is None or self._pong.done():
                self._pong = asyncio.create_task(self._answer_ping(websocket), name="kubebox: answer a ping")
        elif frame not in (packets.DISCONNECT, packets.CLOSE):  # A goodbye, which the end follows.
            self._take_whole(reader.text(frame))

    async def _answer_ping(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):  # The reader learns of it as well.
            await websocket.send_str(packets.PONG)

    def _take_whole(self, message: packets.Event | packets.Acknowledgement | None) -> None:
        if message is not None:
            self._take(message)

    def _refused(self, error: aiohttp.WSServerHandshakeError) -> KubeboxError:
        if error.status in {401, 403, 421}:
            return AccessDenied(
                f"{self._url}: the server refused the connection (status {error.status})", status=error.status
            )
        return SandboxUnreachable(f"{self._url}: cannot open the connection for events ({error})")

    def _turned_away(self, text: str) -> KubeboxError:
        try:
            body: Any = json.loads(text)
        except ValueError:
            body = None
        inner = body.get("data") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - whatever was sent
        return read_refusal(inner) or AccessDenied(f"{self._url}: the server refused the connection")

    def _cut(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):  # It is closed already.
                each.shutdown(socket.SHUT_RDWR)

    def _new_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.append(made)
        return made


async def _send(websocket: aiohttp.ClientWebSocketResponse, frame: str | bytes) -> None:
    if isinstance(frame, str):
        await websocket.send_str(frame)
    else:
        await websocket.send_bytes(frame)
