"""Sending again: what a request, or a transfer, does when the way to the server fails under it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from kubebox._transport.base import CONNECT_SECONDS
from kubebox._transport.interrupt import Interrupt
from kubebox._transport.introduction import Introduction
from kubebox._transport.link import COMING_UP, Link
from kubebox._transport.outage import Outage, bounded
from kubebox.errors import AnswerTimeout, ConnectionLost, KubeboxError, SandboxUnreachable

T = TypeVar("T")


class Again:
    """Sends until it is done, or not to be done.

    Args:
        url: The server's address.
        link: Keeps the pace of attempts, and knows when all are in vain.
        introduction: Looks who answers, before anything is sent again.
        interrupt: Ends what waits when the client disconnects.
        reconnect: Seconds that a lost connection may take to come back.
    """

    def __init__(
        self, url: str, link: Link, introduction: Introduction, interrupt: Interrupt, reconnect: float
    ) -> None:
        self._url = url
        self._link = link
        self._introduction = introduction
        self._interrupt = interrupt
        self._reconnect = reconnect

    def outage(self) -> Outage:
        """One that begins now."""
        return Outage(self._reconnect).begin()

    async def send(self, send: Callable[[], Awaitable[T]], repeat: bool) -> T:
        """Make a request; again where it was not sent, and where it was, only if that changes nothing.

        Raises:
            KubeboxError: It failed, and is not made again.
        """
        outage = self.outage()
        try:
            return await send()
        except COMING_UP as error:
            failure = error
        if not _was_not_sent(failure):
            outage.begin()
        async with self._interrupt.ending():
            return await self._send_again(send, repeat, failure, outage)

    async def reach(self, failure: KubeboxError, outage: Outage) -> None:
        """Wait until a server answers again.

        Raises:
            KubeboxError: The failure, where time does not mend it; or none answered in time.
        """
        if not isinstance(failure, COMING_UP):
            raise failure
        lost = failure
        async with self._interrupt.ending():
            while True:
                self._check_time(outage, failure, None if failure is lost else lost)
                await self._link.pause(outage, failure)
                try:
                    await self._introduce(outage)
                except COMING_UP as error:
                    failure = error
                else:
                    return

    @asynccontextmanager
    async def before_sending(self, seconds: float) -> AsyncGenerator[None]:
        """What comes before a request; where that fails, the request was not sent."""
        try:
            async with bounded(min(seconds, CONNECT_SECONDS), self._url):
                yield
        except (ConnectionLost, AnswerTimeout) as error:
            raise SandboxUnreachable(error.message, **error.data) from error

    def given_up(self, lost: KubeboxError, failure: KubeboxError) -> ConnectionLost:
        """What is told of a connection that was lost, when the last attempt to have it back has failed."""
        error = ConnectionLost(
            f"{failure.message}; the connection was lost and did not come back within {self._reconnect:g} s. "
            "What was running may go on: attach() or check_status() finds the command",
            **lost.data,
        )
        error.__cause__ = failure
        return error

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
            self._check_time(outage, failure, lost)
            await self._link.pause(outage, failure)
            try:
                await self._introduce(outage)
                return await send()
            except COMING_UP as error:
                failure = error

    async def _introduce(self, outage: Outage) -> None:
        async with self.before_sending(outage.bound(late=False)):
            await self._introduction.make()

    def _check_time(self, outage: Outage, failure: KubeboxError, lost: KubeboxError | None) -> None:
        if outage.over or self._link.given_up:
            raise failure if lost in (None, failure) else self.given_up(lost, failure)


def _was_not_sent(error: KubeboxError) -> bool:
    # A gateway that answers in the server's place (`status`) may have passed the request on before.
    return isinstance(error, SandboxUnreachable) and "status" not in error.data
