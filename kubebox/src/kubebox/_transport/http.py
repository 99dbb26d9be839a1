"""REST: one connection pool to one server."""

import ipaddress
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx2

from kubebox._transport.base import ANSWER_SECONDS, CONNECT_SECONDS, Body, Content, Query
from kubebox._transport.refusals import read_refusal
from kubebox._transport.translate import translated
from kubebox.errors import (
    AnswerInvalid,
    ConnectionFailed,
    KubeboxError,
    NotConnected,
    SandboxUnreachable,
    TokenExpired,
)

Authorize: TypeAlias = Callable[[str, str], Awaitable[str]]
"""Gives the token for a method and a target."""

IDLE_SECONDS: Final = 20.0
"""Seconds that an idle connection is kept: less than servers and proxies keep one (a minute and more), so that no request
meets one that is just being closed; and less than it takes to find out that a line has fallen silent (23), so that the
question who answers, which comes next, does not go down the same line."""

MAX_REFUSAL_BYTES: Final = 64 * 1024
"""Bytes of an error's body that are read; more is not one of ours."""

MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024
"""Bytes of a JSON answer: a hundred thousand files with long paths are the longest."""

GATEWAY_STATUSES: Final = frozenset({502, 503, 504})
"""What a load balancer says while it has no server behind it."""


class Http:
    """Requests to one server, each with a token of its own.

    Args:
        url: The server's address.
        authorize: Signs the tokens.
        doubt: Called when something goes wrong that a change of servers would explain.
    """

    def __init__(self, url: str, authorize: Authorize, doubt: Callable[[], None]) -> None:
        self._url = url
        self._authorize = authorize
        self._doubt = doubt
        with translated(url):
            self._client = httpx2.AsyncClient(
                base_url=url,
                timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx2.Limits(keepalive_expiry=IDLE_SECONDS),
                trust_env=uses_proxies(url),
            )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def json(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        content: Content | None = None,
        length: int | None = None,
        timeout: float = ANSWER_SECONDS,
        signed: bool = True,
        accept: frozenset[int] = frozenset(),
    ) -> Any:
        """Make a request that is answered by JSON; an empty answer is `None`.

        Args:
            method: Of the request.
            path: What is asked for.
            query: How.
            body: JSON to send.
            content: Raw bytes to send instead.
            length: How many those are, where they come in pieces and it is known.
            timeout: Seconds until the answer is given up.
            signed: Whether it needs a token.
            accept: Statuses that are answers here, besides those of success.

        Raises:
            KubeboxError: The request failed or was refused.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        if length is not None:
            headers["Content-Length"] = str(length)
        sent = content if body is None else body
        async with self._send(method, path, query, sent, headers, timeout, signed, accept) as response:
            text = await self._read(response, MAX_ANSWER_BYTES)
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            raise AnswerInvalid(f"{self._url}: what answers is not a Kubebox server (no JSON)") from None

    async def download(self, path: str, query: Query | None) -> bytes:
        """Make a GET request that is answered by raw bytes."""
        async with self._send("GET", path, query, None, {}, ANSWER_SECONDS, True) as response:
            return b"".join([chunk async for chunk in self._chunks(response)])

    @asynccontextmanager
    async def stream(
        self, path: str, query: Query | None, headers: Mapping[str, str]
    ) -> AsyncGenerator[Body]:
        """Make a GET request that is answered by raw bytes, as they come."""
        # Bytes are counted, and a proxy that compresses them would make them others.
        plain = {"Accept-Encoding": "identity", **headers}
        async with self._send("GET", path, query, None, plain, ANSWER_SECONDS, True) as response:
            yield Body(response.headers, self._chunks(response))

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        content: Content | None,
        headers: Mapping[str, str],
        timeout: float,
        signed: bool,
        accept: frozenset[int] = frozenset(),
    ) -> AsyncGenerator[httpx2.Response]:
        if self._client.is_closed:
            raise NotConnected("disconnect() was called")
        with translated(self._url):
            request = self._client.build_request(
                method,
                path,
                params=None if query is None else {name: _text(value) for name, value in query.items()},
                content=content,
                headers=headers,
                timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS),
            )
        response = await self._answer(request, signed)
        try:
            error = None if response.status_code in accept else await self._refusal(response)
            if isinstance(error, TokenExpired) and (content is None or isinstance(content, bytes)):
                # The monotonic clock stands still while a laptop sleeps. A refused request did nothing, so it
                # is made again, with a look at the server's clock; an iterator's pieces cannot be sent twice.
                await response.aclose()
                self._doubt()
                response = await self._answer(request, signed)
                error = await self._refusal(response)
            if error is not None:
                raise error
            yield response
        finally:
            await response.aclose()

    async def _answer(self, request: httpx2.Request, signed: bool) -> httpx2.Response:
        if signed:
            token = await self._authorize(request.method, request.url.raw_path.decode("ascii"))
            request.headers["Authorization"] = f"Bearer {token}"
        with self._watched():
            return await self._client.send(request, stream=True)

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        with self._watched():
            async for chunk in response.aiter_bytes():
                yield chunk

    async def _read(self, response: httpx2.Response, limit: int) -> bytes:
        body = bytearray()
        async for chunk in self._chunks(response):
            body += chunk
            if len(body) > limit:
                raise AnswerInvalid(f"{self._url}: the answer is longer than {limit} bytes")
        return bytes(body)

    async def _refusal(self, response: httpx2.Response) -> KubeboxError | None:
        if response.is_success:
            return None
        try:
            error = read_refusal(json.loads(await self._read(response, MAX_REFUSAL_BYTES)))
        except (ValueError, AnswerInvalid):
            error = None
        if error is not None:
            return error
        self._doubt()
        return of_stranger(self._url, response.status_code)

    @contextmanager
    def _watched(self) -> Generator[None]:
        try:
            with translated(self._url):
                yield
        except ConnectionFailed:
            self._doubt()
            raise


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_stranger(url: str, status: int) -> KubeboxError:
    """What is told of a refusal that is none of a Kubebox server's."""
    if status in GATEWAY_STATUSES:
        return SandboxUnreachable(f"{url}: a gateway answers {status}: no server behind it", status=status)
    return AnswerInvalid(f"{url}: what answers is not a Kubebox server (status {status})", status=status)


def uses_proxies(url: str) -> bool:
    """Whether proxies named in the environment are meant for this address: never for this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
