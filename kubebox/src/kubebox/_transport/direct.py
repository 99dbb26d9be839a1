"""A server reached by its address: REST and Socket.IO together, and nothing signed for an unknown one."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar
from uuid import UUID

from kubebox._transport.again import Again
from kubebox._transport.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    AnswerModel,
    Body,
    Channel,
    Content,
    Explain,
    Listener,
    Query,
)
from kubebox._transport.home import Home
from kubebox._transport.interrupt import Interrupt, disconnected
from kubebox._transport.introduction import Introduction
from kubebox._transport.link import HEARTBEAT_SECONDS, Link
from kubebox._transport.outage import RECONNECT_SECONDS, Outage
from kubebox._transport.payload import decode, encode, open_answer
from kubebox.errors import (
    ConnectionFailed,
    ConnectionLost,
    KubeboxError,
    NotConnected,
    SandboxReplaced,
    SandboxUnreachable,
    WorkspaceRestarting,
)
from kubebox.keys import PrivateKey
from kubebox_protocol.base import Request
from kubebox_protocol.info import Info
from kubebox_protocol.limits import TOKEN_LIFETIME_SECONDS

if TYPE_CHECKING:
    from kubebox._transport.channels import Channels
    from kubebox._transport.http import Http

T = TypeVar("T")

EXPLAINED: Final = (ConnectionFailed, SandboxReplaced, WorkspaceRestarting)
"""Errors of which whoever made the sandbox may know more."""


class DirectTransport:
    """The `Transport` to one address.

    The first server that answers is pinned by its identity key and its uid: a later one that shows another is
    refused with `SandboxReplaced`, and nothing is signed for it.

    Args:
        url: The server's address.
        key: The private key that signs.
        identity: The identity key that the server must show, base64, where it is known from elsewhere.
        explain: Knows more of why the way to the server fails.
        reconnect: Seconds that a lost connection may take to come back; 0 to tell of each loss at once.
        heartbeat: Seconds of silence after which the server is asked whether it is there.
    """

    def __init__(
        self,
        url: str,
        key: PrivateKey,
        identity: str | None = None,
        explain: Explain | None = None,
        *,
        reconnect: float = RECONNECT_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._url = url
        self._explain = explain or _as_it_is
        self._reconnect = reconnect
        self._introduction = Introduction(url, key, identity, self._ask_info)
        self._home = Home(url, self._close)
        self._interrupt = Interrupt()
        self._link = Link(url, self._introduction, self._explain, self._interrupt, reconnect, heartbeat)
        self._again = Again(url, self._link, self._introduction, self._interrupt, reconnect)
        self._http: Http | None = None
        self._channels: Channels | None = None

    @property
    def info(self) -> Info:
        """What the server said of itself."""
        return self._introduction.info

    @property
    def reconnect(self) -> float:
        """Seconds that a lost connection may take to come back."""
        return self._reconnect

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as anybody knows."""
        return self._link.connected

    @property
    def wanted(self) -> bool:
        """Whether there shall be a connection."""
        return self._link.wanted

    def check_loop(self) -> None:
        """Refuse another event loop than the one connected on."""
        self._home.check()

    async def connect(self, patience: float) -> None:
        """Reach the server, trying again for so many seconds while it is not there."""
        from kubebox._transport.http import Http

        self._home.check()
        first = not self._link.wanted
        async with self._explained():
            await self._home.claim()
            self._http = self._http or Http(self._url, self._token_for_request, self._introduction.doubt)
            try:
                await self._link.open(patience)
            except BaseException:  # cancellation too: a half-open connection would never be closed
                if first:
                    await self._close()
                    await self._home.release()
                raise

    async def disconnect(self) -> None:
        """Close both ways; whoever still waits gets `NotConnected`."""
        self._home.check()
        await self._close()
        await self._home.release()

    async def explain(self, error: KubeboxError) -> KubeboxError:
        """What to raise where the way to the server failed."""
        if isinstance(error, EXPLAINED):
            return await self._explain(error)
        return error

    async def ask(
        self,
        event: str,
        request: Request | None,
        answer: type[AnswerModel],
        *,
        timeout: float = ANSWER_SECONDS,
        repeat: bool = False,
        before: Callable[[], None] | None = None,
        lost: ConnectionLost | None = None,
    ) -> AnswerModel:
        """Send an event and wait for its answer."""
        self._home.check()
        payload = {} if request is None else encode(request)
        until: float | None = None
        news = lost is None
        while True:
            try:
                realtime = await self._link.get()
                return open_answer(answer, await realtime.ask(event, payload, timeout, before, news=news))
            except ConnectionLost as error:
                lost, now = error, time.monotonic()
                until = now + self._reconnect if until is None else until
                if not repeat or now >= until:
                    await self._fail(error)
            except SandboxUnreachable as error:
                await self._fail(error if lost is None else self._again.given_up(lost, error))
            except EXPLAINED as error:
                await self._fail(error)

    async def tell(self, event: str, request: Request, before: Callable[[], None] | None = None) -> None:
        """Send an event that is not answered."""
        self._home.check()
        await self._link.tell(event, encode(request), before)

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        """Have an execution's events passed on."""
        self._home.check()
        return self._link.listen(execution_id, listener)

    def leave(self, execution_id: UUID, listener: Listener) -> bool:
        """Stop passing on."""
        return self._link.leave(execution_id, listener)

    async def request(
        self,
        method: str,
        path: str,
        answer: type[AnswerModel],
        *,
        query: Query | None = None,
        body: Request | None = None,
        content: Content | None = None,
        length: int | None = None,
        timeout: float = ANSWER_SECONDS,
        repeat: bool = False,
    ) -> AnswerModel:
        """Make a request that is answered by JSON."""
        raw = None if body is None else body.model_dump_json(exclude_defaults=True).encode()
        value = await self._send(
            lambda: self._rest().json(
                method, path, query=query, body=raw, content=content, length=length, timeout=timeout
            ),
            repeat,
        )
        return decode(answer, {} if value is None else value)

    async def delete(self, path: str, *, query: Query | None = None) -> None:
        """Make a DELETE request."""
        await self._send(lambda: self._rest().json("DELETE", path, query=query), False)

    async def download(self, path: str, *, query: Query) -> bytes:
        """Make a GET request that is answered by raw bytes."""
        return await self._send(lambda: self._rest().download(path, query), True)

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Query, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Body]:
        """Make a GET request that is answered by raw bytes, as they come."""
        self._home.check()
        async with self._explained(), self._rest().stream(path, query, headers or {}) as body:
            yield body

    def outage(self) -> Outage:
        """The time in which a transfer that has been cut off may find its server again."""
        return self._again.outage()

    async def reach_again(self, failure: KubeboxError, outage: Outage) -> None:
        """Wait until a server answers again."""
        self._home.check()
        async with self._explained():
            await self._again.reach(failure, outage)

    async def open_channel(self, target: str) -> Channel:
        """Open a WebSocket."""
        return await self._send(lambda: self._opened_channels().open(target), True)

    async def token(self, method: str, target: str, lifetime: int = TOKEN_LIFETIME_SECONDS) -> str:
        """Sign a token for one request that somebody else makes."""
        self._home.check()
        async with self._explained():
            return await self._token_for_request(method, target, lifetime)

    async def _send(self, send: Callable[[], Awaitable[T]], repeat: bool) -> T:
        self._home.check()
        async with self._explained():
            return await self._again.send(send, repeat)

    async def _close(self) -> None:
        http, self._http = self._http, None
        channels, self._channels = self._channels, None
        try:
            await self._link.close()
        finally:
            if channels is not None:
                await channels.close()
            if http is not None:
                await http.close()

    @asynccontextmanager
    async def _explained(self) -> AsyncGenerator[None]:
        try:
            yield
        except EXPLAINED as error:
            await self._fail(error)

    async def _fail(self, error: KubeboxError) -> NoReturn:
        known = await self.explain(error)
        if known is error:
            raise error
        raise known from error

    def _rest(self) -> "Http":
        if self._http is None:
            raise NotConnected("not connected: call connect() first")
        return self._http

    def _opened_channels(self) -> "Channels":
        if not self._link.wanted:
            raise disconnected()
        if self._channels is None:
            from kubebox._transport.channels import Channels

            self._channels = Channels(self._url, self._token_for_request, self._introduction.doubt)
        return self._channels

    async def _ask_info(self, nonce: str) -> object:
        return await self._rest().json(
            "GET", "/v1/info", query={"nonce": nonce}, signed=False, timeout=CONNECT_SECONDS
        )

    async def _token_for_request(
        self, method: str, target: str, lifetime: int = TOKEN_LIFETIME_SECONDS
    ) -> str:
        async with self._again.before_sending(Outage(self._reconnect).bound(late=True)):
            return await self._introduction.sign(method, target, lifetime)


async def _as_it_is(error: KubeboxError, seconds: float | None = None) -> KubeboxError:
    return error
