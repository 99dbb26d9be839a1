"""The sandboxes of one client: made for it, seen by it alone, and gone with it."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from kubebox import Sandbox
from kubebox._specification import DEFAULT_LIFETIME
from kubebox._where import is_url
from kubebox.errors import InvalidArgument, KubeboxError, NotConnected, SandboxNotFound, TooManySandboxes
from kubebox.mcp.place import Place

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Held:
    """A sandbox of a client.

    Attributes:
        id: What the client calls it.
        sandbox: It.
        expires: When its lifetime is over, on the clock of `time.monotonic`; `None` where that is not ours to know.
    """

    id: str
    sandbox: Sandbox
    expires: float | None


class Sandboxes:
    """The sandboxes of one client.

    Args:
        place: Where they are made.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._held: dict[str, Held] = {}
        self._making = 0
        self._ended = False

    async def create(self, *, image: str | None, env: Mapping[str, str], lifetime: float | None) -> Held:
        """Make one.

        Args:
            image: Its image, where the place has any.
            env: Variables that each command gets, over the place's own.
            lifetime: Seconds until it ends by itself, at most what the place allows; that unless given.

        Raises:
            TooManySandboxes: The client has as many as it may.
            InvalidArgument: It would live longer than the place allows.
            KubeboxError: It cannot be made, and why.
        """
        if len(self._held) + self._making >= self._place.most:
            raise TooManySandboxes(
                f"this client has {self._place.most} sandboxes, as many as it may; kill_sandbox ends one",
                limit=self._place.most,
            )
        self._making += 1
        try:
            held = await self._make(image, env, lifetime)
        finally:
            self._making -= 1
        if self._ended:  # the client left meanwhile, and nobody would end it
            await held.sandbox.close()
            raise NotConnected("the client has left")
        self._held[held.id] = held
        return held

    def find(self, sandbox_id: str) -> Held:
        """One that the client has.

        Raises:
            SandboxNotFound: It has none of this id. Whether another client has is not told.
        """
        try:
            return self._held[sandbox_id]
        except KeyError:
            raise SandboxNotFound(
                f"there is no sandbox {sandbox_id!r} here; list_sandboxes shows those that are there, create_sandbox makes one",
                sandbox_id=sandbox_id,
            ) from None

    def all(self) -> list[Held]:
        """All that it has, oldest first."""
        return list(self._held.values())

    async def kill(self, sandbox_id: str) -> None:
        """End one, with all in it."""
        await self.find(sandbox_id).sandbox.close()
        self._held.pop(sandbox_id, None)  # Not before: what could not be ended can be tried again.

    async def end(self) -> None:
        """End all of them: the client has left, or the server ends."""
        self._ended = True
        held = self.all()
        self._held.clear()
        await asyncio.gather(*map(_end, held))

    async def _make(self, image: str | None, env: Mapping[str, str], lifetime: float | None) -> Held:
        options = self._place.options.copy()
        allowed = options.get("lifetime") or DEFAULT_LIFETIME
        if lifetime is not None and lifetime > allowed:
            raise InvalidArgument(f"lifetime: at most {allowed:g} seconds here; the server's owner sets that")
        if lifetime is not None:
            options["lifetime"] = lifetime
        if image is not None:
            options["image"] = image
        begun = time.monotonic()
        sandbox = await Sandbox.create(
            self._place.where, env={**self._place.env, **env}, timeout=self._place.timeout, **options
        )
        expires = None if is_url(self._place.where) else begun + (lifetime or allowed)
        return Held(self._free(sandbox.id), sandbox, expires)

    def _free(self, sandbox_id: str) -> str:
        """A name for one more. Where the place is one sandbox itself, all have its id, its files, and commands of their own."""
        names = (sandbox_id, *(f"{sandbox_id}-{number}" for number in range(2, self._place.most + 2)))
        return next(name for name in names if name not in self._held)


async def _end(held: Held) -> None:
    try:
        await held.sandbox.close()
    except KubeboxError as error:
        # There is nobody left to tell, and the others must end all the same; this one's lifetime ends it.
        _log.warning("sandbox %s could not be ended: %s: %s", held.id, error.code, error.message)
