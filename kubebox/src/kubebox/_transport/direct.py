"""A server reached by its address: REST and Socket.IO together, and nothing signed for an unknown one."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kubebox._transport.base import ANSWER_SECONDS, AnswerModel, Content, Listener, Query
from kubebox._transport.payload import decode, encode, open_answer
from kubebox.errors import (
    AnswerInvalid,
    AnswerTimeout,
    ConnectionLost,
    NotConnected,
    SandboxReplaced,
    SandboxUnreachable,
)
from kubebox.keys import PrivateKey
from kubebox_protocol.base import Request
from kubebox_protocol.identity import identity_holds
from kubebox_protocol.info import Info
from kubebox_protocol.limits import PROTOCOL_VERSION, TOKEN_LIFETIME_SECONDS
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET, audience, sign_token

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

    Args:
        url: The server's address.
        key: The private key that signs.
        identity: The identity key that the server must show, base64, where it is known from elsewhere.
    """

    def __init__(self, url: str, key: PrivateKey, identity: str | None = None) -> None:
        self._url = url
        self._key = key
        self._identity = identity
        self._uid: str | None = None
        self._info: Info | None = None
        self._introduced = False
        self._clock_offset = 0.0
        self._introduction = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._http: Http | None = None
        self._realtime: Realtime | None = None

    @property
    def info(self) -> Info:
        """What the server said of itself."""
        if self._info is None:
            raise NotConnected("not connected: call connect() first")
        return self._info

    async def connect(self, patience: float) -> None:
        """Reach the server, trying again for so many seconds while it is not there."""
        from kubebox._transport.http import Http

        async with self._opening:
            if self._realtime is not None and self._realtime.connected:
                return
            previous, self._realtime = self._realtime, None
            if previous is not None:
                await previous.close()
            self._http = self._http or Http(self._url, self._token_for_request, self._doubt)
            try:
                self._realtime = await self._reach(time.monotonic() + patience)
            except BaseException:
                http, self._http = self._http, None
                await http.close()
                raise

    async def _reach(self, deadline: float) -> "Realtime":
        from kubebox._transport.realtime import Realtime

        delay = FIRST_RETRY_SECONDS
        while True:
            realtime = Realtime(self._url, self._connection_token, self._doubt)
            try:
                self._doubt()
                await self._introduce()
                await realtime.open()
                return realtime
            except _COMING_UP:
                if time.monotonic() + delay > deadline:
                    raise
            # There is nothing to watch: a refused connection does not tell when it would work.
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_RETRY_SECONDS)

    async def disconnect(self) -> None:
        """Close both ways; whoever still waits gets `NotConnected`."""
        async with self._opening:
            realtime, self._realtime = self._realtime, None
            http, self._http = self._http, None
            try:
                if realtime is not None:
                    await realtime.close()
            finally:
                if http is not None:
                    await http.close()

    async def ask(
        self,
        event: str,
        request: Request | None,
        answer: type[AnswerModel],
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> AnswerModel:
        """Send an event and wait for its answer."""
        payload = {} if request is None else encode(request)
        return open_answer(answer, await self._events().ask(event, payload, timeout))

    async def tell(self, event: str, request: Request) -> None:
        """Send an event that is not answered."""
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
        raw = None if body is None else body.model_dump_json(exclude_defaults=True).encode()
        value = await self._rest().json(method, path, query=query, body=raw, content=content, timeout=timeout)
        return decode(answer, {} if value is None else value)

    async def delete(self, path: str, *, query: Query | None = None) -> None:
        """Make a DELETE request."""
        await self._rest().json("DELETE", path, query=query)

    def download(self, path: str, *, query: Query) -> AbstractAsyncContextManager[AsyncIterable[bytes]]:
        """Make a GET request that is answered by raw bytes."""
        return self._rest().download(path, query)

    async def token(self, method: str, target: str) -> str:
        """Sign a token for one request that somebody else makes."""
        return await self._token_for_request(method, target)

    def _events(self) -> "Realtime":
        if self._realtime is None:
            raise NotConnected("not connected: call connect() first")
        return self._realtime

    def _rest(self) -> "Http":
        if self._http is None:
            raise NotConnected("not connected: call connect() first")
        return self._http

    def _doubt(self) -> None:
        """The server may have gone, and something else come: look again before the next signature."""
        self._introduced = False

    async def _introduce(self) -> None:
        async with self._introduction:
            if self._introduced:
                return
            nonce = secrets.token_urlsafe(32)
            value = await self._rest().json("GET", "/v1/info", query={"nonce": nonce}, signed=False)
            info = decode(Info, value)
            self._check(info, nonce)
            self._identity, self._uid, self._info = info.identity, info.sandbox_uid, info
            # Read after the answer, so that ours runs a little behind and no token is from the future.
            self._clock_offset = info.time - time.monotonic()
            self._introduced = True

    def _check(self, info: Info, nonce: str) -> None:
        if info.protocol != PROTOCOL_VERSION:
            raise AnswerInvalid(
                f"{self._url}: the server speaks protocol {info.protocol} (version {info.version}), "
                f"this client speaks {PROTOCOL_VERSION}; install the same version of both",
                protocol=info.protocol,
            )
        if self._identity is not None and info.identity != self._identity:
            raise SandboxReplaced(f"{self._url}: the server shows another identity than the known one")
        if not identity_holds(
            info.identity, info.signature, nonce, info.sandbox_id, info.sandbox_uid, info.time
        ):
            raise SandboxReplaced(f"{self._url}: the server cannot prove the identity that it shows")
        if self._uid is not None and info.sandbox_uid != self._uid:
            raise SandboxReplaced(
                f"{self._url}: another sandbox ({info.sandbox_uid}) has taken the place of {self._uid}",
                url=self._url,
                old_uid=self._uid,
                new_uid=info.sandbox_uid,
            )

    async def _token_for_request(self, method: str, target: str) -> str:
        return await self._sign(method, target, TOKEN_LIFETIME_SECONDS)

    async def _connection_token(self, lifetime: int) -> str:
        return await self._sign(HANDSHAKE_METHOD, HANDSHAKE_TARGET, lifetime)

    async def _sign(self, method: str, target: str, lifetime: int) -> str:
        await self._introduce()
        return sign_token(
            self._key.key,
            audience=audience(self.info.sandbox_id, self.info.sandbox_uid),
            method=method,
            target=target,
            now=time.monotonic() + self._clock_offset,
            lifetime=lifetime,
        )
