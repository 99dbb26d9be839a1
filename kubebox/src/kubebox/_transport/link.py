"""The connection for events, made anew where it was lost: by one attempt at a time, for all who wait."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from kubebox._transport.base import CONNECT_SECONDS, Explain, Listener
from kubebox._transport.interrupt import Interrupt, disconnected
from kubebox._transport.introduction import Introduction
from kubebox._transport.outage import LEAST_ATTEMPT_SECONDS, Outage, bounded
from kubebox.errors import (
    AnswerTimeout,
    ConnectionLost,
    KubeboxError,
    NotConnected,
    SandboxUnreachable,
    TokenExpired,
)
from kubebox_protocol.tokens import HANDSHAKE_METHOD, HANDSHAKE_TARGET

if TYPE_CHECKING:
    from kubebox._transport.realtime import Realtime

COMING_UP: Final = (SandboxUnreachable, ConnectionLost, AnswerTimeout)
"""What a server that is not there yet looks like, from behind a new load balancer too."""

HEARTBEAT_SECONDS: Final = 15.0
"""Seconds of silence after which a WebSocket ping is sent. A peer that is gone without a word is so found out in 23: before an
answer is given up (30), so that whoever waits is told of the loss, after which asking again is of use."""

ATTEMPT_SECONDS: Final = 2 * CONNECT_SECONDS
"""Seconds that one attempt may take, where an outage leaves it so many: to see who answers, and to open the connection."""


class Link:
    """The one connection for events, and who is told what comes over it. Listeners stay when it is made anew.

    Args:
        url: The server's address.
        introduction: Looks who answers, before each attempt.
        explain: Knows more of why the way to the server fails.
        interrupt: Ends an attempt when the client disconnects.
        reconnect: Seconds to go on trying after a loss.
        heartbeat: Seconds of silence after which the connection is tried.
    """

    def __init__(
        self,
        url: str,
        introduction: Introduction,
        explain: Explain,
        interrupt: Interrupt,
        reconnect: float,
        heartbeat: float,
    ) -> None:
        self._url = url
        self._introduction = introduction
        self._explain = explain
        self._interrupt = interrupt
        self._heartbeat = heartbeat
        self._outage = Outage(reconnect)
        self._opening = asyncio.Lock()
        self._listeners: dict[UUID, Listener] = {}
        self._realtime: Realtime | None = None
        self._wanted = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as anybody knows."""
        return self._realtime is not None and self._realtime.connected

    @property
    def wanted(self) -> bool:
        """Whether there shall be one: from `open` to `close`."""
        return self._wanted

    @property
    def given_up(self) -> bool:
        """Whether it was lost and did not come back in time."""
        return not self.connected and self._outage.over

    async def open(self, patience: float) -> None:
        """Connect, trying again for so many seconds while the server is not there."""
        self._wanted = True
        await self._make(Outage(patience, ATTEMPT_SECONDS).begin())
        self._outage = Outage(self._outage.seconds)

    async def get(self) -> "Realtime":
        """The connection. A lost one is made anew, for as long as the outage may last.

        Raises:
            SandboxUnreachable: That did not succeed in time; nothing was sent.
        """
        realtime = self._realtime
        if realtime is None:
            raise NotConnected("not connected: call connect() first")
        await realtime.settle()
        if realtime.connected:
            return realtime
        realtime.check_end()
        try:
            return await self._make(self._outage)
        except (ConnectionLost, AnswerTimeout) as error:
            raise _not_reached(error) from error

    async def close(self) -> None:
        """Say goodbye; whoever still waits gets `NotConnected`."""
        self._wanted = False
        realtime, self._realtime = self._realtime, None
        self._interrupt.strike()
        if realtime is not None:
            await realtime.close()
        self._listeners.clear()
        async with self._opening:
            pass  # Whoever was making one has put away what was half-made.

    async def tell(self, event: str, payload: Any, before: Callable[[], None] | None = None) -> None:
        """Send an event that is not answered; nothing where the connection is lost, of which listeners are told."""
        if self._realtime is not None and self._realtime.connected:
            with contextlib.suppress(ConnectionLost):
                await self._realtime.tell(event, payload, before)

    def listen(self, execution_id: UUID, listener: Listener) -> Listener | None:
        """Pass on an execution's events."""
        previous = self._listeners.get(execution_id)
        self._listeners[execution_id] = listener
        return previous

    def leave(self, execution_id: UUID, listener: Listener) -> bool:
        """Stop passing on."""
        if self._listeners.get(execution_id) != listener:
            return False
        del self._listeners[execution_id]
        return True

    async def pause(self, outage: Outage, error: KubeboxError | None) -> None:
        """Let time pass before the next attempt.

        Args:
            outage: Says how much.
            error: How the last attempt failed.

        Raises:
            KubeboxError: The sandbox has ended meanwhile: no attempt will succeed any more.
        """
        delay = outage.delay()
        if delay <= 0:
            return
        began = time.monotonic()
        if error is not None:
            known = await self._explain(
                error, delay
            )  # An end that is just coming is told as soon as it is there.
            if known is not error:
                raise known from error
        # There is nothing to watch: a refused connection does not tell when it would work.
        await asyncio.sleep(began + delay - time.monotonic())

    async def _make(self, outage: Outage) -> "Realtime":
        late, known = outage.over, outage.failure
        bound = outage.bound(late=late)
        await self._take_turn(min(bound, ATTEMPT_SECONDS) if late else bound)
        try:
            async with self._interrupt.ending():
                realtime = await self._persist(outage, late, known)
            # `close` may have come when this was just there, and found none: nobody else would end it.
            if not self._wanted:
                self._realtime = None
                await realtime.close()
                raise disconnected()
            return realtime
        finally:
            self._opening.release()

    async def _take_turn(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds + LEAST_ATTEMPT_SECONDS):  # What is under way may end as late.
                await self._opening.acquire()
        except TimeoutError:
            raise SandboxUnreachable(f"{self._url}: nothing answers yet; attempts go on") from None

    async def _persist(self, outage: Outage, late: bool, known: KubeboxError | None) -> "Realtime":
        failure: KubeboxError | None = None
        while self._wanted:
            if self._realtime is not None and self._realtime.connected:
                return self._realtime
            if outage.over and outage.failure is not None and outage.failure is not known:
                # Somebody else's last attempt failed while this one waited for it: its own would take as long again.
                raise _not_reached(outage.failure)
            await self.pause(outage, failure)
            try:
                return await self._attempt(min(outage.bound(late=late), ATTEMPT_SECONDS))
            except COMING_UP as error:
                if outage.over:
                    outage.failure = _not_reached(error)
                    raise
                failure = error
        raise disconnected()

    async def _attempt(self, seconds: float) -> "Realtime":
        if self._realtime is not None:
            await self._realtime.close()
        async with bounded(seconds, self._url):
            try:
                self._realtime = await self._open()
            except TokenExpired:
                # It was signed for the server before the one that got it, or before this machine slept. Once: a second one that
                # is refused, signed by the time that the server has just told, would be refused for ever.
                self._realtime = await self._open()
        return self._realtime

    async def _open(self) -> "Realtime":
        from kubebox._transport.realtime import Realtime

        realtime = Realtime(self._url, self._token, self._lost, self._listeners, self._heartbeat)
        self._introduction.doubt()
        await self._introduction.make()
        await realtime.open()
        return realtime

    def _lost(self, good: bool) -> None:
        self._introduction.doubt()
        if good:
            self._outage.begin()
        else:
            self._outage.go_on()

    async def _token(self, lifetime: int) -> str:
        return await self._introduction.sign(HANDSHAKE_METHOD, HANDSHAKE_TARGET, lifetime)


def _not_reached(error: KubeboxError) -> SandboxUnreachable:
    """How a failed attempt is told: of what whoever waits for it wants to send, nothing was sent."""
    return SandboxUnreachable(error.message, **error.data)
