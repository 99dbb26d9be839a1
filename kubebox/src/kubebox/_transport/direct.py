"""A server reached by its address: REST and Socket.IO together, and nothing signed for an unknown one."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kubebox._transport.base import ANSWER_SECONDS, AnswerModel, Content, Explain, Listener, Query
from kubebox._transport.home import Home
from kubebox._transport.introduction import Introduction
from kubebox._transport.payload import decode, encode, open_answer
from kubebox.errors import (
    AnswerTimeout,
    ConnectionFailed,
    ConnectionLost,
    KubeboxError,
    NotConnected,
    SandboxReplaced,
    SandboxUnreachable,
)
from kubebox.keys import PrivateKey
from kubebox_protocol.base import Request
from kubebox_protocol.info import Info
from kubebox_protocol.limits import TOKEN_LIFETIME_SECONDS
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET

if TYPE_CHECKING:
    from kubebox._transport.http import Http
    from kubebox._transport.realtime import Realtime

FIRST_RETRY_SECONDS: Final = 0.1
LAST_RETRY_SECONDS: Final = 1.0
"""Seconds between attempts to connect: quick for a server just starting, mild on one that takes a minute."""

_COMING_UP = (SandboxUnreachable, ConnectionLost, AnswerTimeout)
"""What a server that is not there yet looks like, from behind a new load balancer too."""


class DirectTransport:
    """The `Transport` to one address.

    The first server that answers is pinned by its identity key and its uid: a later one that shows another is
    refused with `SandboxReplaced`, and nothing is signed for it.

    A connection that was lost is made anew by the next call, before it sends anything; what was sent is never
    sent again.

    Args:
        url: The server's address.
        key: The private key that signs.
        identity: The identity key that the server must show, base64, where it is known from elsewhere.
        explain: Knows more of why the way to the server fails.
    """

    def __init__(
        self, url: str, key: PrivateKey, identity: str | None = None, explain: Explain | None = None
    ) -> None:
        self._url = url
        self._explain = explain
        self._introduction = Introduction(url, key, identity, self._ask_info)
        self._home = Home(url, self._close)
        self._opening = asyncio.Lock()
        self._http: Http | None = None
        self._realtime: Realtime | None = None

    @property
    def info(self) -> Info:
        """What the server said of itself."""
        return self._introduction.info

    def check_loop(self) -> None:
        """Refuse another event loop than the one connected on."""
        self._home.check()

    async def connect(self, patience: float) -> None:
        """Reach the server, trying again for so many seconds while it is not there."""
        from kubebox._transport.http import Http

        self._home.check()
        async with self._explained(), self._opening:
            await self._home.claim()
            self._http = self._http or Http(self._url, self._token_for_request, self._introduction.doubt)
            try:
                await self._open(patience)
            except BaseException:  # cancellation too: a half-open connection would never be closed
                await self._close()
                await self._home.release()
                raise

    async def disconnect(self) -> None:
        """Close both ways; whoever still waits gets `NotConnected`."""
        self._home.check()
        async with self._opening:
            await self._close()
            await self._home.release()

    async def explain(self, error: KubeboxError) -> KubeboxError:
        """What to raise where the way to the server failed."""
        if self._explain is not None and isinstance(error, (ConnectionFailed, SandboxReplaced)):
            return await self._explain(error)
        return error

    async def ready(self) -> None:
        """Have a connection for what is about to be sent: a lost one is made anew, by one attempt."""
        self._home.check()
        async with self._explained():
            await self._connected()

    async def ask(
        self,
        event: str,
        request: Request | None,
        answer: type[AnswerModel],
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> AnswerModel:
        """Send an event and wait for its answer."""
        self._home.check()
        payload = {} if request is None else encode(request)
        async with self._explained():
            await self._connected()
            return open_answer(answer, await self._events().ask(event, payload, timeout))

    async def tell(self, event: str, request: Request) -> None:
        """Send an event that is not answered."""
        self._home.check()
        async with self._explained():
            await self._events().tell(event, encode(request))

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        """Have an execution's events passed on."""
        return self._events().listen(execution_id, listener)

    def leave(self, execution_id: UUID, listener: Listener) -> bool:
        """Stop passing on."""
        return self._realtime is not None and self._realtime.leave(execution_id, listener)

    async def request(
        self,
        method: str,
        path: str,
        answer: type[AnswerModel],
        *,
        query: Query | None = None,
        body: Request | None = None,
        content: Content | None = None,
        timeout: float = ANSWER_SECONDS,
    ) -> AnswerModel:
        """Make a request that is answered by JSON."""
        self._home.check()
        raw = None if body is None else body.model_dump_json(exclude_defaults=True).encode()
        async with self._explained():
            value = await self._rest().json(
                method, path, query=query, body=raw, content=content, timeout=timeout
            )
        return decode(answer, {} if value is None else value)

    async def delete(self, path: str, *, query: Query | None = None) -> None:
        """Make a DELETE request."""
        self._home.check()
        async with self._explained():
            await self._rest().json("DELETE", path, query=query)

    def download(self, path: str, *, query: Query) -> AbstractAsyncContextManager[AsyncIterable[bytes]]:
        """Make a GET request that is answered by raw bytes."""
        return self._download(path, query)

    async def token(self, method: str, target: str) -> str:
        """Sign a token for one request that somebody else makes."""
        self._home.check()
        async with self._explained():
            return await self._token_for_request(method, target)

    async def _connected(self) -> None:
        realtime = self._events()
        await realtime.settle()
        if realtime.connected:
            return
        async with self._opening:
            if self._realtime is None:
                raise NotConnected("disconnect() was called")
            if not self._realtime.connected:
                await self._open(0)

    async def _open(self, patience: float) -> None:
        previous = self._realtime
        if previous is not None:
            if previous.connected:
                return
            await previous.close()
        self._realtime = await self._reach(time.monotonic() + patience)

    async def _reach(self, deadline: float) -> "Realtime":
        from kubebox._transport.realtime import Realtime

        delay = FIRST_RETRY_SECONDS
        while True:
            realtime = Realtime(self._url, self._connection_token, self._introduction.doubt)
            try:
                self._introduction.doubt()
                await self._introduction.make()
                await realtime.open()
                return realtime
            except _COMING_UP:
                if time.monotonic() + delay > deadline:
                    raise
            # There is nothing to watch: a refused connection does not tell when it would work.
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_RETRY_SECONDS)

    async def _close(self) -> None:
        realtime, self._realtime = self._realtime, None
        http, self._http = self._http, None
        try:
            if realtime is not None:
                await realtime.close()
        finally:
            if http is not None:
                await http.close()

    @asynccontextmanager
    async def _download(self, path: str, query: Query) -> AsyncGenerator[AsyncIterable[bytes]]:
        self._home.check()
        async with self._explained(), self._rest().download(path, query) as chunks:
            yield chunks

    @asynccontextmanager
    async def _explained(self) -> AsyncGenerator[None]:
        try:
            yield
        except (ConnectionFailed, SandboxReplaced) as error:
            known = await self.explain(error)
            if known is error:
                raise
            raise known from error

    def _events(self) -> "Realtime":
        if self._realtime is None:
            raise NotConnected("not connected: call connect() first")
        return self._realtime

    def _rest(self) -> "Http":
        if self._http is None:
            raise NotConnected("not connected: call connect() first")
        return self._http

    async def _ask_info(self, nonce: str) -> object:
        return await self._rest().json("GET", "/v1/info", query={"nonce": nonce}, signed=False)

    async def _token_for_request(self, method: str, target: str) -> str:
        return await self._introduction.sign(method, target, TOKEN_LIFETIME_SECONDS)

    async def _connection_token(self, lifetime: int) -> str:
        return await self._introduction.sign(HANDSHAKE_METHOD, HANDSHAKE_TARGET, lifetime)
