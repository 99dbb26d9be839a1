"""Who answers: the first server is pinned, and nothing is signed for another."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from kubebox._transport.payload import decode
from kubebox.errors import AnswerInvalid, NotConnected, SandboxReplaced
from kubebox.keys import PrivateKey
from kubebox_protocol.identity import identity_holds
from kubebox_protocol.info import Info
from kubebox_protocol.limits import PROTOCOL_VERSION
from kubebox_protocol.tokens import audience, sign_token

AskInfo: TypeAlias = Callable[[str], Awaitable[object]]
"""Asks the server who it is, with a nonce."""


class Introduction:
    """What is known of the server, and tokens for it.

    Args:
        url: The server's address, for messages.
        key: The private key that signs.
        identity: The identity key that the server must show, base64, where it is known from elsewhere.
        ask: Asks the server who it is.
    """

    def __init__(self, url: str, key: PrivateKey, identity: str | None, ask: AskInfo) -> None:
        self._url = url
        self._key = key
        self._identity = identity
        self._ask = ask
        self._uid: str | None = None
        self._info: Info | None = None
        self._made = False
        self._clock_offset = 0.0
        self._making = asyncio.Lock()

    @property
    def info(self) -> Info:
        """What the server said of itself."""
        if self._info is None:
            raise NotConnected("not connected: call connect() first")
        return self._info

    def doubt(self) -> None:
        """The server may have gone, and something else come: look again before the next signature."""
        self._made = False

    async def make(self) -> None:
        """Make sure that the server is the known one, unless that is not in doubt."""
        async with self._making:
            if self._made:
                return
            nonce = secrets.token_urlsafe(32)
            info = decode(Info, await self._ask(nonce))
            self._check(info, nonce)
            self._identity, self._uid, self._info = info.identity, info.sandbox_uid, info
            # Read after the answer, so that ours runs a little behind and no token is from the future.
            self._clock_offset = info.time - time.monotonic()
            self._made = True

    async def sign(self, method: str, target: str, lifetime: int) -> str:
        """A token for the known server and no other."""
        await self.make()
        return sign_token(
            self._key.key,
            audience=audience(self.info.sandbox_id, self.info.sandbox_uid),
            method=method,
            target=target,
            now=time.monotonic() + self._clock_offset,
            lifetime=lifetime,
        )

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
