"""A place like a cluster, whose sandboxes live on without the program; each leads to the same server."""

import asyncio
import threading
from typing import TYPE_CHECKING

from kubebox._backend import OwnKeys, PodSpecification, Ready
from kubebox.errors import ClusterUnreachable
from kubebox.local.backend import LocalBackend
from kubebox_protocol.verdicts import Verdict

from .conftest import PATIENCE

if TYPE_CHECKING:
    from kubebox._backend import Body


class OutlivingBody:
    """A sandbox that ends when its place lets it.

    Args:
        place: Its place.
    """

    def __init__(self, place: "Outliving") -> None:
        self._place = place
        self._verdict: Verdict | None = None
        self._over = asyncio.Event()

    async def ready(self) -> Ready:
        if self._place.never_ready:
            await asyncio.Event().wait()
        return Ready(address=self._place.address, identity=None, limits={}, phases={})

    async def destroy(self) -> None:
        self._place.begun.set()
        if self._place.failures:
            self._place.failures -= 1
            raise ClusterUnreachable("the API server restarts", cause="refused")
        await asyncio.to_thread(self._place.may_end.wait, PATIENCE)
        self._verdict = Verdict(kind="destroyed", message="it was destroyed by its owner")
        self._over.set()
        self._place.alive.discard(self)
        if not self._place.alive:
            self._place.empty.set()

    async def abandon(self) -> None:
        await self.destroy()

    async def ended(self) -> None:
        await self._over.wait()

    async def logs(self) -> str:
        return ""

    async def set_timeout(self, seconds: float) -> None:
        raise NotImplementedError

    def verdict(self) -> Verdict | None:
        return self._verdict

    def progress(self) -> str:
        return ""


class Outliving(LocalBackend):
    """Such a place.

    Args:
        address: The server's host and port.

    Attributes:
        alive: Its sandboxes.
        made: How many there have been.
        failures: How many ends fail before one succeeds.
        never_ready: Whether its sandboxes never come up.
        occupied: Set when it has a sandbox.
        begun: Set when an end has begun.
        may_end: To be set before one may succeed; it is unless cleared.
        empty: Set when the last sandbox has ended.
        closed: Set when the program has let go of the place.
    """

    outlived = True

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.alive: set[Body] = set()
        self.made = 0
        self.failures = 0
        self.never_ready = False
        self.occupied, self.begun, self.may_end = threading.Event(), threading.Event(), threading.Event()
        self.empty, self.closed = threading.Event(), threading.Event()
        self.may_end.set()

    async def start(self, specification: PodSpecification, own_keys: OwnKeys) -> OutlivingBody:  # pyright: ignore[reportIncompatibleMethodOverride] - another body
        self.made += 1
        self.empty.clear()
        body = OutlivingBody(self)
        self.alive.add(body)
        self.occupied.set()
        return body

    async def close(self) -> None:
        self.closed.set()
