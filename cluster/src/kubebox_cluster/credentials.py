"""What is shown to the API server, and its renewal: tokens in files change, plugins' tokens expire."""

import asyncio
import base64
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kubebox_cluster.errors import CredentialsUnavailable
from kubebox_cluster.plugin import Given, ask_plugin
from kubebox_cluster.target import Pem, User

FILE_SECONDS: Final = 60.0
"""Seconds after which a file with a token or a certificate is read again. Kubernetes writes a pod's new token when the old
one still has a fifth of its life, two minutes at least."""

EARLY_SECONDS: Final = 10.0
"""Seconds before their end at which credentials are made anew, so that none expires on its way."""


@dataclass(frozen=True)
class Login:
    """What is shown.

    Attributes:
        headers: Headers of each request.
        certificate: A client certificate and its key as PEM; `None` for none.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: bytes | None = field(default=None, repr=False)


class Credentials:
    """Keeps a user's login, and makes it anew when it is due or refused. For one event loop.

    Args:
        user: Whose.
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self._login: Login | None = None
        self._due = 0.0  # by the clock of the wall, since that is what plugins count by
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> Login:
        """The login to use now.

        Raises:
            CredentialsUnavailable: There is none to be had.
        """
        async with self._one_at_a_time:
            if self._login is None or time.time() >= self._due:
                self._login = await self._make()
            return self._login

    async def renew(self, refused: Login) -> bool:
        """Make it anew, since this one was refused.

        Returns:
            Whether there is another one now, which is worth a try.

        Raises:
            CredentialsUnavailable: There is none to be had.
        """
        async with self._one_at_a_time:
            if self._login is refused:
                self._login = await self._make()
            return self._login != refused

    async def _make(self) -> Login:
        user = self._user
        given = Given()
        own = user.token or user.token_file or user.username or user.certificate is not None
        if user.plugin is not None and not own:
            given = await ask_plugin(user.plugin)
        token = await _token(user) or given.token
        certificate = await _pair(user) or given.certificate
        self._due = self._next(given)
        return Login(headers=_headers(user, token), certificate=certificate)

    def _next(self, given: Given) -> float:
        now = time.time()
        if given.until is not None:
            # One that is born expired is used for a moment all the same: the API server's clock may be the better one.
            return max(given.until - EARLY_SECONDS, now + EARLY_SECONDS)
        files = isinstance(self._user.token_file, Path) or isinstance(self._user.certificate, Path)
        return now + FILE_SECONDS if files else float("inf")


def _headers(user: User, token: str) -> tuple[tuple[str, str], ...]:
    if token:
        return (("Authorization", f"Bearer {token}"), *user.impersonate)
    if user.username:
        pair = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        return (("Authorization", f"Basic {pair}"), *user.impersonate)
    return user.impersonate


async def _token(user: User) -> str:
    if user.token_file is None:
        return user.token
    token = (await _content(user.token_file)).decode("ascii", "replace").strip()
    if not token:
        raise CredentialsUnavailable(f"the token's file {user.token_file} is empty")
    return token


async def _pair(user: User) -> bytes | None:
    if user.certificate is None or user.key is None:
        return None
    return await _content(user.certificate) + b"\n" + await _content(user.key)


async def _content(pem: Pem) -> bytes:
    if isinstance(pem, bytes):
        return pem
    try:
        return await asyncio.to_thread(pem.read_bytes)
    except OSError as error:
        raise CredentialsUnavailable(f"{pem} cannot be read any more ({error.strerror})") from None
