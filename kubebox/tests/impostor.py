"""A server of a few lines that says whatever a test wants, and keeps what it was sent."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubebox_protocol.identity import sign_identity
from kubebox_protocol.keys import new_private_key, raw_public_key, read_private_key
from kubebox_protocol.limits import PROTOCOL_VERSION

Answer = tuple[int, bytes]


class Impostor:
    """An HTTP server that answers `/v1/info` with a valid proof, unless told otherwise.

    Attributes:
        heads: What it was sent, request line and headers.
        changes: Fields of its introduction to change after it was signed.
        answers: Answers to give instead, first to last.
        location: Where it sends whoever wants a connection for events; nowhere unless given.
    """

    def __init__(self) -> None:
        self.key = read_private_key(new_private_key())
        self.heads: list[str] = []
        self.changes: dict[str, Any] = {}
        self.answers: list[Answer] = []
        self.other: Callable[[str], Answer] = lambda _: (404, b"nothing")
        self.location = ""
        self.url = ""

    @property
    def identity(self) -> str:
        return base64.b64encode(raw_public_key(self.key.public_key())).decode()

    def info(self, nonce: str) -> dict[str, Any]:
        now = time.time()
        signature = sign_identity(self.key, nonce, "test", "body-1", now)
        return {
            "protocol": PROTOCOL_VERSION,
            "version": "0",
            "sandbox_id": "test",
            "sandbox_uid": "body-1",
            "time": now,
            "roots": ["/workspace"],
            "profile": "restricted",
            "identity": self.identity,
            "signature": signature,
        } | self.changes

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Impostor"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            status, body = self._answer(urlsplit(head.split()[1]))
            location = f"location: {self.location}\r\n" if status == 302 else ""
            fields = f"content-length: {len(body)}\r\nconnection: close\r\n{location}"
            writer.write(f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode())
            writer.write(body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, target: Any) -> Answer:
        if self.answers:
            return self.answers.pop(0)
        if target.path == "/v1/info":
            return 200, json.dumps(self.info(parse_qs(target.query)["nonce"][0])).encode()
        return self.other(target.path)
