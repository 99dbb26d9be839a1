"""A sandbox's server spoken to by hand, as a client would that is not ours: REST, Socket.IO events, and bare bytes."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import socketio

from kubebox import SandboxClient
from kubebox_protocol import events
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET

PATIENCE = 20


async def rest(client: SandboxClient, method: str, path: str, **options: Any) -> httpx2.Response:
    """Make a request, with a good token."""
    async with httpx2.AsyncClient(base_url=client.url, timeout=PATIENCE) as http:
        request = http.build_request(method, path, **options)
        token = await client.sign_token(method, request.url.raw_path.decode("ascii"))
        request.headers["authorization"] = f"Bearer {token}"
        return await http.send(request)


class Wire:
    """One Socket.IO connection.

    Attributes:
        sio: The library's client.
        received: Every event of an execution, and what it says.
    """

    def __init__(self) -> None:
        self.sio: Any = socketio.AsyncClient(reconnection=False)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.closed = asyncio.Event()
        self._changed = asyncio.Event()
        for event in (events.OUTPUT, events.GAP, events.ENDED):
            self.sio.on(event, self._keeper(event))
        self.sio.on("disconnect", self._close)

    async def ask(self, event: str, payload: Any, timeout: float = PATIENCE) -> dict[str, Any]:
        """Send an event, and give what it is answered with: `ok` or `error`."""
        return await self.sio.call(event, payload, timeout=timeout)

    async def code(self, event: str, payload: Any) -> str:
        """The code with which an event is refused."""
        answer = await self.ask(event, payload)
        assert "error" in answer, answer
        return answer["error"]["code"]

    async def start(self, session: str, command: Any, credit: int = 1 << 20, **fields: Any) -> dict[str, Any]:
        """Start a command; gives what names it in other events."""
        start = {"execution_id": str(uuid4()), "command": command, **fields}
        answer = await self.ask(events.START, {"session_id": session, "start": start, "credit": credit})
        assert "ok" in answer, answer
        return {"session_id": session, "execution_id": start["execution_id"]}

    async def ended(self, which: dict[str, Any]) -> dict[str, Any]:
        """The record of an execution, once this connection is told of its end."""
        async with asyncio.timeout(PATIENCE):
            while True:
                changed = self._changed
                for event, payload in self.received:
                    if (
                        event == events.ENDED
                        and payload["execution"]["execution_id"] == which["execution_id"]
                    ):
                        return payload["execution"]
                await changed.wait()

    async def has_output(self, which: dict[str, Any], wanted: bytes) -> None:
        """Wait until something is in an execution's output."""
        async with asyncio.timeout(PATIENCE):
            while wanted not in self.output(which):
                await self._changed.wait()

    def output(self, which: dict[str, Any]) -> bytes:
        """What has come of an execution's output."""
        return b"".join(
            payload["data"]
            for event, payload in self.received
            if event == events.OUTPUT and payload["execution_id"] == which["execution_id"]
        )

    def _keeper(self, event: str) -> Any:
        def keep(payload: dict[str, Any]) -> None:
            self.received.append((event, payload))
            self._changed.set()
            self._changed = asyncio.Event()

        return keep

    def _close(self, *_: Any) -> None:
        self.closed.set()


@asynccontextmanager
async def wire(client: SandboxClient) -> AsyncGenerator[Wire]:
    """A connection that has shown a good token."""
    made = Wire()
    token = await client.sign_token(HANDSHAKE_METHOD, HANDSHAKE_TARGET)
    await made.sio.connect(client.url, transports=["websocket"], auth={"token": token})
    try:
        yield made
    finally:
        # What is still on its way is nothing to the library, which would take the second half of a message for a first one.
        made.sio.eio.on("message", _ignore)
        await made.sio.disconnect()


def _ignore(_: object) -> None:
    """What nobody wants to know any more."""


def bare(client: SandboxClient, *, buffer: int | None = None) -> socket.socket:
    """A connection on which nothing was said yet.

    Args:
        client: Whose server.
        buffer: Bytes that the kernel takes for us before we read, more or less.
    """
    address = urlsplit(client.url)
    assert address.hostname is not None
    made = socket.socket()
    if buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.settimeout(PATIENCE)
    made.connect((address.hostname, address.port or 80))
    return made


class BareWebSocket:
    """A WebSocket of which only the sending half is used, unless `receive` is called.

    Args:
        client: Whose server.
        headers: Further header lines of the handshake.
        buffer: As for `bare`.
    """

    def __init__(self, client: SandboxClient, *headers: str, buffer: int | None = None) -> None:
        self.socket = bare(client, buffer=buffer)
        self.socket.sendall(upgrade(*headers))
        self._reading = self.socket.makefile("rb")
        self.answer = b""
        while not self.answer.endswith(b"\r\n\r\n"):
            self.answer += self._reading.read(1)

    def send(self, text: str, *, opcode: int = 1, reserved: int = 0) -> None:
        """Send one frame, masked with zeros, which leave it as it is."""
        self.socket.sendall(frame(text.encode(), opcode, reserved))

    def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and what is in it."""
        first, second = self._reading.read(2)
        size = second & 127
        if size >= 126:
            size = int.from_bytes(self._reading.read(2 if size == 126 else 8), "big")
        return first & 15, self._reading.read(size)

    def introduce(self, token: str) -> None:
        """Go through Socket.IO's own handshake."""
        self.receive()
        self.send("40" + json.dumps({"token": token}))
        assert self.receive()[1].startswith(b"40")

    def close(self) -> None:
        self._reading.close()
        self.socket.close()

    def __enter__(self) -> "BareWebSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def upgrade(*headers: str) -> bytes:
    """The head of a WebSocket's handshake."""
    lines = [
        f"GET {HANDSHAKE_TARGET}?EIO=4&transport=websocket HTTP/1.1",
        "Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def frame(content: bytes, opcode: int = 1, reserved: int = 0) -> bytes:
    """One WebSocket frame of a client."""
    size = len(content)
    if size < 126:
        length = bytes([128 | size])
    elif size < 1 << 16:
        length = bytes([128 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([128 | 127]) + size.to_bytes(8, "big")
    return bytes([128 | reserved << 4 | opcode]) + length + bytes(4) + content


def event_text(event: str, payload: Any) -> str:
    """An event without binary parts, as Socket.IO puts it."""
    return "42" + json.dumps([event, payload])
