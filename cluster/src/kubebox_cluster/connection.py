"""One API server: its connections, who asks, and what goes wrong on the way. What is asked is `api.py`'s business."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

import aiohttp

from kubebox_cluster.credentials import Credentials, Login
from kubebox_cluster.errors import Unauthorized
from kubebox_cluster.failures import CONNECT_SECONDS, translated, unreachable
from kubebox_cluster.proxies import proxy_for
from kubebox_cluster.refusals import read_refusal
from kubebox_cluster.sockets import Sockets
from kubebox_cluster.target import Target
from kubebox_cluster.tls import tls_context

IDLE_SECONDS: Final = 30.0
"""Seconds that an idle connection is kept: less than API servers and the load balancers before them keep one."""

MAX_REFUSAL_BYTES: Final = 256 * 1024
"""Bytes of a refusal that are read. One that quotes a whole object is of this size at most."""

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a WebSocket's message. The API server sends pieces of 32 KiB."""

CLOSE_SECONDS: Final = 1.0
"""Seconds that a WebSocket's other end has to say goodbye, too."""

REDIRECTS: Final = 300

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request.

    Attributes:
        method: Its method.
        path: Its path below the server's, already quoted.
        query: Its query.
        body: Its body.
        content_type: The body's type.
        answer_seconds: How long the server may be silent.
        total_seconds: How long all of it may take; `None` for as long as it does.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | None = None
    content_type: str = "application/json"
    answer_seconds: float
    total_seconds: float | None = None


class Connection:
    """The way to one API server, for the event loop that uses it first.

    Args:
        target: The API server and who asks.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._proxy = proxy_for(target.server) if target.proxy is None else target.proxy or None
        self._credentials: Credentials | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._tls: tuple[bytes | None, ssl.SSLContext] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closed = False
        self._sockets = Sockets()

    async def close(self) -> None:
        """Close all connections; what still waits is told."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
        await self._sockets.cut()

    @asynccontextmanager
    async def answer(self, ask: Ask) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Make a request; its answer is a success.

        Raises:
            ApiUnreachable: There is no answer, or it broke off while it was read.
            ApiRefused: It is not a success.
            ConfigInvalid: There are no credentials.
        """
        timeout = aiohttp.ClientTimeout(
            total=ask.total_seconds, sock_connect=CONNECT_SECONDS, sock_read=ask.answer_seconds
        )

        async def send(login: Login, context: ssl.SSLContext | bool) -> aiohttp.ClientResponse:
            return await self._own_session().request(
                ask.method,
                self.target.server + ask.path,
                params=ask.query,
                data=ask.body,
                headers=[*login.headers, ("Content-Type", ask.content_type)] if ask.body else login.headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=context,
                server_hostname=self.target.tls_server_name or None,
            )

        with translated(self.target.server):
            response = await self._logged_in(send)
            try:
                yield response
            finally:
                # Read to its end, the connection can be used again; otherwise this closes it.
                response.release()

    @asynccontextmanager
    async def websocket(
        self, path: str, query: Mapping[str, str], protocol: str
    ) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket.

        Args:
            path: As in `Ask`.
            query: As in `Ask`.
            protocol: The subprotocol, which the server has to choose.

        Raises:
            ApiUnreachable: It could not be made.
            ApiRefused: It was refused.
            ConfigInvalid: There are no credentials.
        """

        async def send(login: Login, context: ssl.SSLContext | bool) -> aiohttp.ClientWebSocketResponse:
            return await self._own_session().ws_connect(
                self.target.server + path,
                params=query,
                protocols=(protocol,),
                headers=login.headers,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),  # pyright: ignore[reportCallIssue]  # attrs gives it this
                max_msg_size=MAX_MESSAGE_BYTES,
                proxy=self._proxy,
                ssl=context,
                server_hostname=self.target.tls_server_name or None,
            )

        with translated(self.target.server):
            async with asyncio.timeout(2 * CONNECT_SECONDS):
                opened = await self._logged_in(send)
        try:
            if opened.protocol != protocol:
                raise unreachable(self.target.server, "answer", f"it does not speak {protocol}", sent=False)
            yield opened
        finally:
            await opened.close()

    async def _logged_in(self, send: Callable[[Login, ssl.SSLContext | bool], Awaitable[Found]]) -> Found:
        if self._credentials is None:
            self._credentials = Credentials(self.target.user)
        login = await self._credentials.current()
        try:
            return await send(login, await self._context(login))
        except Unauthorized:
            # Nothing was done, so this may be said again by whoever the user is by now.
            if not await self._credentials.renew(login):
                raise
        login = await self._credentials.current()
        return await send(login, await self._context(login))

    async def _context(self, login: Login) -> ssl.SSLContext | bool:
        if urlsplit(self.target.server).scheme == "http":
            return True
        async with self._one_at_a_time:
            if self._tls is None or self._tls[0] != login.certificate:
                # Connections are pooled by their context: those of the old certificate end by being idle.
                context = await asyncio.to_thread(tls_context, self.target, login.certificate)
                self._tls = (login.certificate, context)
            return self._tls[1]

    def _own_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise RuntimeError("the connection to the API server was closed")
        if self._session is None:
            self._loop, self._session = loop, _new_session(self._sockets)
        if self._loop is not loop:
            raise RuntimeError("the connection to the API server belongs to another event loop")
        return self._session


def _new_session(sockets: Sockets) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        # Watches and tunnels hold connections for as long as they live; what is asked at once is bounded elsewhere.
        # Names are resolved by the system, as by everything else on this machine.
        connector=aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=IDLE_SECONDS,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=sockets.make,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "kubebox", "Accept": "application/json, */*", "Accept-Encoding": "gzip"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        raise_for_status=_refuse,
    )
    # aiohttp sends PUT and DELETE a second time where a connection that it had kept breaks. The object may be another one by
    # then, and there is no other way to tell it.
    session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
    return session


async def _refuse(response: aiohttp.ClientResponse) -> None:
    """Raise what an answer that is no success says."""
    if response.status < REDIRECTS:
        return
    try:
        body = await response.content.read(MAX_REFUSAL_BYTES)
        while not response.content.at_eof() and len(body) < MAX_REFUSAL_BYTES:
            body += await response.content.read(MAX_REFUSAL_BYTES - len(body))
    finally:
        response.release()
    if response.status in range(REDIRECTS, 400):
        where = urlsplit(response.headers.get("Location", "")).hostname or "elsewhere"
        server = f"{response.url.origin()}"
        raise unreachable(server, "answer", f"it is no API server: it sends one to {where}", sent=True)
    raise read_refusal(response.status, body, response.headers.get("Retry-After", ""))
