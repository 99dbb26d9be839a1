"""The floor of B7: a file over HTTP with the same libraries, and nothing else: no tokens, no hash, no wall, no draft.

As a program it is the server: uvicorn, a process of its own, which says on which port, and serves until standard input ends.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

PIECE_BYTES: Final = 512 * 1024
"""Bytes that are read of a file at once, as Kubebox does."""

SECONDS: Final = 60.0
"""Seconds until one step of a transfer is given up."""


@contextlib.asynccontextmanager
async def raw_http(file: Path) -> AsyncGenerator["RawHttp"]:
    """Start a server of one file, and give its client."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.raw_http", str(file),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
            yield RawHttp(client)
    finally:
        await process.communicate(b"")  # which ends its standard input


class RawHttp:
    """The client."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def upload(self, source: Path) -> None:
        """Send a file."""

        async def pieces() -> AsyncGenerator[bytes]:
            with source.open("rb", 0) as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece

        headers = {"content-length": str(os.stat(source).st_size)}
        (await self._client.put("/", content=pieces(), headers=headers)).raise_for_status()

    async def download(self, target: Path) -> None:
        """Fetch it."""
        with target.open("wb", 0) as file:
            async with self._client.stream("GET", "/") as answer:
                async for piece in answer.raise_for_status().aiter_bytes():
                    file.write(piece)


def _application(path: str) -> Any:
    async def application(scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "PUT":
            await _take(path, receive)
            await send({"type": "http.response.start", "status": 204, "headers": [], "trailers": False})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await _give(path, send)

    return application


async def _take(path: str, receive: "ASGIReceiveCallable") -> None:
    with open(path, "wb", 0) as file:  # noqa: ASYNC230 - nobody else is served
        while True:
            message: Any = await receive()
            file.write(message.get("body", b""))
            if not message.get("more_body", False):
                return


async def _give(path: str, send: "ASGISendCallable") -> None:
    with open(path, "rb", 0) as file:  # noqa: ASYNC230 - the same
        size = str(os.fstat(file.fileno()).st_size).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", size)],
                "trailers": False,
            }
        )
        while piece := file.read(PIECE_BYTES):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _serve() -> None:
    import socket

    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            _application(sys.argv[1]), http="httptools", loop="uvloop", lifespan="off", log_level="warning"
        )
        server = uvicorn.Server(config)

        def end() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=end, daemon=True).start()
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listening])


if __name__ == "__main__":
    _serve()
