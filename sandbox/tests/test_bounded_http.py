"""What anybody may send without a token: in bounded memory, in bounded time, on a bounded number of connections."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

from kubebox_sandbox import bounded_http

from .conftest import PATIENCE, Sandbox

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@asynccontextmanager
async def connected(sandbox: Sandbox) -> AsyncGenerator[SocketStream]:
    with anyio.fail_after(PATIENCE):
        async with await anyio.connect_tcp("127.0.0.1", sandbox.port) as stream:
            yield stream


async def answered(stream: SocketStream) -> bytes:
    """Everything until the server closes."""
    received = b""
    try:
        while True:
            received += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return received


async def sent(stream: SocketStream, pieces: list[bytes]) -> int:
    """How many went out before the server had enough."""
    for number, piece in enumerate(pieces):
        try:
            await stream.send(piece)
        except anyio.BrokenResourceError:
            return number
    return len(pieces)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (HEAD + b"X: ", b"a"),
        (HEAD + b"X", b"a"),
        (HEAD, b"X: y\r\n"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5;x=", b"a"),
    ],
    ids=["blank", "path", "value", "name", "headers", "trailer", "trailers", "extension"],
)
async def test_what_does_not_end_is_cut_off(alone: Sandbox, start: bytes, piece: bytes) -> None:
    mebibyte = piece * ((1 << 20) // len(piece))
    async with connected(alone) as stream:
        await stream.send(start)
        assert await sent(stream, [mebibyte] * 64) < 64  # What both kernels buffer of it is below.
    assert (await alone.http.get("/healthz")).status_code == 200


async def test_a_head_below_the_bounds_is_fine(alone: Sandbox) -> None:
    headers = {f"x-{number}": "y" * 600 for number in range(90)}
    assert (await alone.http.get("/healthz", headers=headers)).status_code == 200
    headers = {f"x-{number}": "y" for number in range(100)}
    assert (await alone.http.get("/healthz", headers=headers)).status_code == 400


async def test_a_large_body_in_the_heads_segment_is_not_counted(alone: Sandbox) -> None:
    body = b" " * 200_000
    async with connected(alone) as stream:
        await stream.send(POST + b"Connection: close\r\nContent-Length: 200000\r\n\r\n" + body)
        assert b"token-missing" in await answered(stream)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HT",
        HEAD,
        HEAD + b"\r\n" + HEAD,
        HEAD + b"\r\n\r\n",
        POST + b"Content-Length: 1000000\r\n\r\nx",
    ],
    ids=["silent", "line", "head", "second", "blank", "body"],
)
async def test_whoever_is_silent_is_hung_up_on(
    alone: Sandbox, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.3)
    async with connected(alone) as stream:
        if start:
            await stream.send(start)
        await answered(stream)


async def test_resting_between_messages_is_allowed(alone: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.2)
    async with connected(alone) as resting:
        await resting.send(HEAD + b"\r\n")
        assert b"200 OK" in await resting.receive()
        async with connected(alone) as silent:  # Ends when the time of both would be over.
            await answered(silent)
        await resting.send(HEAD + b"\r\n")
        assert b"200 OK" in await resting.receive()


async def test_connections_are_bounded(alone: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "MAX_CONNECTIONS", 2)  # One of them is the fixture's.
    async with connected(alone) as first:
        await first.send(HEAD + b"\r\n")
        assert b"200 OK" in await first.receive()
        async with connected(alone) as second:
            assert await answered(second) == b""
    assert (await alone.http.get("/healthz")).status_code == 200
