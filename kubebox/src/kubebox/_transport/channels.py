"""WebSockets beside the connection for events: one for each connection to a port of the workspace."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import aiohttp

from kubebox._transport.base import CONNECT_SECONDS
from kubebox._transport.http import MAX_REFUSAL_BYTES, of_stranger, uses_proxies
from kubebox._transport.link import HEARTBEAT_SECONDS
from kubebox._transport.redirects import refusing_redirects
from kubebox._transport.refusals import read_refusal
from kubebox.errors import (
    AnswerInvalid,
    AnswerTimeout,
    ConnectionFailed,
    KubeboxError,
    SandboxUnreachable,
    TokenExpired,
)
from kubebox_protocol.limits import MAX_REQUEST_BYTES, MAX_TOKEN_LIFETIME_SECONDS
from kubebox_protocol.ports import METHOD

Authorize: TypeAlias = Callable[[str, str, int], Awaitable[str]]
"""Gives the token for a method and a target, good for so many seconds."""

TOKEN_SECONDS: Final = MAX_TOKEN_LIFETIME_SECONDS
"""Seconds. A channel ends with its token, so this one lives as long as a token may."""

SWITCHED: Final = 101
"""The status of an answer after which both sides speak WebSocket."""

GOODBYE_SECONDS: Final = 1.0
"""Seconds for a goodbye: nothing depends on it."""


class OpenChannel:
    """A `Channel`.

    Args:
        websocket: What aiohttp made.
    """

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket

    async def send(self, message: bytes | str) -> None:
        """Send a message."""
        if isinstance(message, str):
            await self._websocket.send_str(message)
        else:
            await self._websocket.send_bytes(message)

    async def next(self) -> bytes | str | None:
        """The next message; `None` when there are no more."""
        message = await self._websocket.receive()
        if message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
            return message.data
        return None

    async def close(self, code: int) -> None:
        """Say goodbye."""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._websocket.close(code=code)


class Channels:
    """All channels to one server.

    Args:
        url: The server's address.
        authorize: Signs the tokens.
        doubt: Called when something goes wrong that a change of servers would explain.
    """

    def __init__(self, url: str, authorize: Authorize, doubt: Callable[[], None]) -> None:
        self._url = url
        self._authorize = authorize
        self._doubt = doubt
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # Each takes one for as long as it lasts.
            trust_env=uses_proxies(url),
            trace_configs=[refusing_redirects(url)],
            raise_for_status=self._look_at,
        )

    async def open(self, target: str) -> OpenChannel:
        """Open one.

        Raises:
            KubeboxError: The server was not reached, or refused.
        """
        try:
            try:
                return await self._open(target)
            except TokenExpired:
                # This machine slept, and the monotonic clock stood still meanwhile.
                self._doubt()
                return await self._open(target)
        except ConnectionFailed:
            self._doubt()
            raise

    async def close(self) -> None:
        """End them all."""
        await self._session.close()

    async def _open(self, target: str) -> OpenChannel:
        token = await self._authorize(METHOD, target, TOKEN_SECONDS)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return OpenChannel(
                    await self._session.ws_connect(
                        f"{self._url}{target}",
                        headers={"Authorization": f"Bearer {token}"},
                        heartbeat=HEARTBEAT_SECONDS,
                        max_msg_size=MAX_REQUEST_BYTES,
                    )
                )
        except KubeboxError:  # Ours first: some are OSError or TimeoutError as well.
            raise
        except TimeoutError:
            raise AnswerTimeout(f"{self._url}: no answer to {target} within {CONNECT_SECONDS:g} s") from None
        except aiohttp.WSServerHandshakeError as error:
            raise AnswerInvalid(f"{self._url}: what answers speaks no WebSocket ({error.message})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SandboxUnreachable(f"{self._url}: cannot open a connection ({error})") from error

    async def _look_at(self, response: aiohttp.ClientResponse) -> None:
        """Raise what the server says instead of going on; aiohttp itself would throw the answer's body away."""
        if response.status == SWITCHED:
            return
        try:
            error = read_refusal(json.loads(await response.content.read(MAX_REFUSAL_BYTES)))
        except ValueError:
            error = None
        finally:
            response.close()
        raise error or of_stranger(self._url, response.status)
