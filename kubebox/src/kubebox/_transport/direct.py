"""A server reached by its address: REST and Socket.IO together, and nothing signed for an unknown one."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar
from uuid import UUID

from kubebox._transport.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    AnswerModel,
    Content,
    Explain,
    Listener,
    Query,
)
from kubebox._transport.home import Home
from kubebox._transport.interrupt import Interrupt
from kubebox._transport.introduction import Introduction
from kubebox._transport.link import COMING_UP, HEARTBEAT_SECONDS, Link
from kubebox._transport.outage import RECONNECT_SECONDS, Outage, bounded
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

if TYPE_CHECKING:
    from kubebox._transport.http import Http

T = TypeVar("T")


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
        self._http: Http | None = None

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
        if isinstance(error, (ConnectionFailed, SandboxReplaced)):
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
                await self._fail(error if lost is None else self._given_up(lost, error))
            except (ConnectionFailed, SandboxReplaced) as error:
                await self._fail(error)

    async def tell(self, event: str, request: Request) -> None:
        """Send an event that is not answered."""
        self._home.check()
        await self._link.tell(event, encode(request))

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
        timeout: float = ANSWER_SECONDS,
        repeat: bool = False,
    ) -> AnswerModel:
        """Make a request that is answered by JSON."""
        raw = None if body is None else body.model_dump_json(exclude_defaults=True).encode()
        value = await self._send(
            lambda: self._rest().json(method, path, query=query, body=raw, content=content, timeout=timeout),
            repeat,
        )
        return decode(answer, {} if value is None else value)

    async def delete(self, path: str, *, query: Query | None = None) -> None:
        """Make a DELETE request."""
        await self._send(lambda: self._rest().json("DELETE", path, query=query), False)

    async def download(self, path: str, *, query: Query) -> bytes:
        """Make a GET request that is answered by raw bytes."""
        return await self._send(lambda: self._rest().download(path, query), True)

    async def token(self, method: str, target: str) -> str:
        """Sign a token for one request that somebody else makes."""
        self._home.check()
        async with self._explained():
            return await self._token_for_request(method, target)

    async def _send(self, send: Callable[[], Awaitable[T]], repeat: bool) -> T:
        self._home.check()
        outage = Outage(self._reconnect).begin()
        async with self._explained():
            try:
                return await send()
            except COMING_UP as error:
                failure = error
            if not _was_not_sent(failure):
                outage.begin()
            async with self._interrupt.ending():
                return await self._send_again(send, repeat, failure, outage)

    async def _send_again(
        self, send: Callable[[], Awaitable[T]], repeat: bool, failure: KubeboxError, outage: Outage
    ) -> T:
        lost: KubeboxError | None = None
        while True:
            if not _was_not_sent(failure):
                # After silence once: that connection is gone, and another one shows whose silence it was.
                if not repeat or (isinstance(failure, AnswerTimeout) and isinstance(lost, AnswerTimeout)):
                    raise failure
                lost = failure
            if outage.over or self._link.given_up:
                raise failure if lost in (None, failure) else self._given_up(lost, failure)
            await self._link.pause(outage, failure)
            try:
                async with self._before_sending(outage.bound(late=False)):
                    await self._introduction.make()
                return await send()
            except COMING_UP as error:
                failure = error

    def _given_up(self, lost: KubeboxError, failure: KubeboxError) -> ConnectionLost:
        error = ConnectionLost(
            f"{failure.message}; the connection was lost and did not come back within {self._reconnect:g} s. "
            "What was running may go on: attach() or check_status() finds the command",
            **lost.data,
        )
        error.__cause__ = failure
        return error

    async def _close(self) -> None:
        http, self._http = self._http, None
        try:
            await self._link.close()
        finally:
            if http is not None:
                await http.close()

    @asynccontextmanager
    async def _explained(self) -> AsyncGenerator[None]:
        try:
            yield
        except (ConnectionFailed, SandboxReplaced) as error:
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

    async def _ask_info(self, nonce: str) -> object:
        return await self._rest().json(
            "GET", "/v1/info", query={"nonce": nonce}, signed=False, timeout=CONNECT_SECONDS
        )

    async def _token_for_request(self, method: str, target: str) -> str:
        async with self._before_sending(Outage(self._reconnect).bound(late=True)):
            return await self._introduction.sign(method, target, TOKEN_LIFETIME_SECONDS)

    @asynccontextmanager
    async def _before_sending(self, seconds: float) -> AsyncGenerator[None]:
        try:
            async with bounded(min(seconds, CONNECT_SECONDS), self._url):
                yield
        except (ConnectionLost, AnswerTimeout) as error:  # The request itself was not sent yet.
            raise SandboxUnreachable(error.message, **error.data) from error


def _was_not_sent(error: KubeboxError) -> bool:
    # A gateway that answers in the server's place (`status`) may have passed the request on before.
    return isinstance(error, SandboxUnreachable) and "status" not in error.data


async def _as_it_is(error: KubeboxError, seconds: float | None = None) -> KubeboxError:
    return error
