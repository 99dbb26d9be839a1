"""The one connection on which commands are started and their output arrives: questions, answers, events, and its end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

from pydantic import ValidationError

from kubebox._transport.base import CONNECT_SECONDS, Listener
from kubebox._transport.outage import STEADY_SECONDS
from kubebox._transport.refusals import read_refusal
from kubebox.errors import (
    AnswerInvalid,
    AnswerTimeout,
    ConnectionFailed,
    ConnectionLost,
    KubeboxError,
    NotConnected,
    PayloadTooLarge,
    TokenExpired,
)
from kubebox_protocol import events, packets
from kubebox_protocol.limits import MAX_REQUEST_BYTES, MAX_TOKEN_LIFETIME_SECONDS
from kubebox_protocol.output import ExecutionEnded, OutputChunk, OutputGap

if TYPE_CHECKING:
    from kubebox._transport.socket import Socket

Sign: TypeAlias = Callable[[int], Awaitable[str]]
"""Gives a token for the connection, good for so many seconds."""

CONNECTION_TOKEN_SECONDS: Final = MAX_TOKEN_LIFETIME_SECONDS
"""Seconds. The connection ends with its token, so this one lives as long as a token may."""

RENEW_AFTER_SECONDS: Final = CONNECTION_TOKEN_SECONDS * 2 / 3
"""Seconds. Leaves five minutes to renew in, on a machine that was asleep or busy."""

MAX_QUESTIONS: Final = 96
"""Events that wait for their answers at once; more wait here. The server refuses beyond 128."""

TICK_SECONDS: Final = 5.0
"""Seconds between two looks at the clock, which tell whether the program's event loop stood still."""

STANDSTILL_SECONDS: Final = 10.0
"""Seconds without a look at the clock after which the connection is tried before anything is sent on it.
Servers and proxies give up a silent client after twenty seconds or more."""

_MODELS: Final[dict[str, type[OutputChunk | OutputGap | ExecutionEnded]]] = {
    events.OUTPUT: OutputChunk,
    events.GAP: OutputGap,
    events.ENDED: ExecutionEnded,
}
"""What the server tells without being asked."""


class Realtime:
    """One connection, from `open` to `close` or its loss.

    Args:
        url: The server's address.
        sign: Signs the connection's tokens.
        lost: Called once when the connection has ended, with whether it was good for anything.
        listeners: Who is told of which execution's events; each of them is told of the end.
        heartbeat: Seconds of silence after which the server is asked whether it is there. Half as long again
            without an answer ends the connection.
    """

    def __init__(
        self,
        url: str,
        sign: Sign,
        lost: Callable[[bool], None],
        listeners: Mapping[UUID, Listener],
        heartbeat: float,
    ) -> None:
        self._url = url
        self._sign = sign
        self._lost = lost
        self._listeners = listeners
        self._heartbeat = heartbeat
        self._socket: Socket | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._error: KubeboxError = NotConnected("not connected: call connect() first")
        self._questions = asyncio.Semaphore(MAX_QUESTIONS)
        self._opened = self._awake = self._renewed = time.monotonic()
        self._brought_news = False
        self._settling = asyncio.Lock()
        self._answers: dict[int, tuple[asyncio.Future[Any], bool]] = {}
        self._number = 0

    @property
    def connected(self) -> bool:
        """Whether events can be sent."""
        return self._keeper is not None and not self._ended.is_set()

    async def open(self) -> None:
        """Connect.

        Raises:
            KubeboxError: The server was not reached, or refused.
        """
        from kubebox._transport.socket import Socket

        self._socket = Socket(self._url, self._heartbeat, self._take, self._on_closed)
        try:
            await self._socket.open(await self._sign(CONNECTION_TOKEN_SECONDS))
        except BaseException:  # Cancellation too: a half-open connection would never be closed.
            await self._discard(polite=False)
            raise
        self._opened = self._awake = self._renewed = time.monotonic()
        self._keeper = asyncio.create_task(self._keep(), name="kubebox: keep the connection")

    def check_end(self) -> None:
        """Raise where it ended for good, so that another connection would be of no use."""
        if isinstance(self._error, NotConnected):
            raise _again(self._error)

    async def close(self) -> None:
        """Say goodbye; whoever still waits gets `NotConnected`."""
        self._end(NotConnected("disconnect() was called"))
        if self._keeper is not None:
            await asyncio.wait({self._keeper})
        await self._discard(polite=True)  # a loop that ends has cancelled the keeper before it did

    async def settle(self) -> None:
        """After the event loop stood still, find out whether the connection outlived that.

        Otherwise the first call would be sent into a connection that the server has long given up, and nobody
        could say whether it was carried out.
        """
        if time.monotonic() - self._awake <= STANDSTILL_SECONDS:
            return
        async with self._settling:
            if self.connected and time.monotonic() - self._awake > STANDSTILL_SECONDS:
                await self._renew()
                self._awake = time.monotonic()

    async def ask(
        self,
        event: str,
        payload: Any,
        timeout: float,
        before: Callable[[], None] | None = None,
        *,
        news: bool = True,
    ) -> Any:
        """Send an event and wait for what it is answered with; see `Transport.ask`.

        Args:
            event: Its name.
            payload: What it asks.
            timeout: Seconds to wait.
            before: Called immediately before it is sent.
            news: Whether a connection that brought the answer was good. To take up again what was there before is no news:
                who can do nothing else would otherwise begin anew for ever, and without a pause.
        """
        async with self._questions:
            return await self._ask(event, payload, timeout, before, news)

    async def tell(self, event: str, payload: Any, before: Callable[[], None] | None = None) -> None:
        """Send an event that is not answered."""
        await self._send(packets.event(event, payload), before)

    async def _ask(
        self, event: str, payload: Any, timeout: float, before: Callable[[], None] | None, news: bool
    ) -> Any:
        self._number += 1
        loop = asyncio.get_running_loop()
        number, answer = self._number, loop.create_future()
        self._answers[number] = answer, news
        timer: asyncio.TimerHandle | None = None
        try:
            await self._send(packets.event(event, payload, number), before)
            timer = loop.call_later(timeout, self._give_up, answer, f"{event} within {timeout:g} s")
            return await answer
        finally:
            if timer is not None:
                timer.cancel()
            del self._answers[number]
            if answer.done() and not answer.cancelled():
                answer.exception()  # A caller who is cancelled at this moment does not look at it: asyncio would complain.

    def _give_up(self, answer: "asyncio.Future[Any]", what: str) -> None:
        if not answer.done():
            answer.set_exception(AnswerTimeout(f"{self._url}: no answer to {what}"))

    def _take(self, message: packets.Event | packets.Acknowledgement) -> None:
        if self._ended.is_set():
            return  # Whoever asked or listens has been told of the loss, and asks another connection.
        content: Any = message.arguments[0] if len(message.arguments) == 1 else None
        if isinstance(message, packets.Acknowledgement):
            answer, news = self._answers.get(message.number, (None, False))
            if answer is not None and not answer.done():
                self._brought_news |= news
                answer.set_result(content)
            return
        model = _MODELS.get(message.name)
        if model is not None:  # A newer server may tell more.
            self._pass_on(model, content)

    def _pass_on(self, model: type[OutputChunk | OutputGap | ExecutionEnded], content: Any) -> None:
        self._brought_news = True
        try:
            event = model.model_validate(content)
        except ValidationError:
            self._end(AnswerInvalid(f"{self._url}: the server sent a malformed {model.__name__}"))
            return
        execution_id = (
            event.execution.execution_id if isinstance(event, ExecutionEnded) else event.execution_id
        )
        listener = self._listeners.get(execution_id)
        if listener is not None:
            listener(event)

    def _on_closed(self, reason: str) -> None:
        self._end(self._broken_off(f" ({reason})" if reason else ""))

    def _broken_off(self, why: str = "") -> ConnectionLost:
        return ConnectionLost(
            f"{self._url}: the connection broke off{why}; what was running may go on: "
            "attach() or check_status() finds the command"
        )

    def _end(self, error: KubeboxError) -> None:
        if self._ended.is_set():
            return
        self._error = error
        self._ended.set()
        for answer, _ in self._answers.values():
            if not answer.done():
                answer.set_exception(_again(error))
        if self._keeper is not None:
            self._lost(self._brought_news or time.monotonic() - self._opened > STEADY_SECONDS)
            for listener in list(self._listeners.values()):
                listener(_again(error))

    async def _send(self, frames: Sequence[str | bytes], before: Callable[[], None] | None = None) -> None:
        if not self.connected or self._socket is None:
            raise _again(self._error)
        if sum(map(len, frames)) > MAX_REQUEST_BYTES:  # Text is ASCII here: a character is a byte.
            told = f"larger than the {MAX_REQUEST_BYTES} bytes that a server takes at once"
            raise PayloadTooLarge(told, limit=MAX_REQUEST_BYTES)
        try:
            await self._socket.send(frames, before)
        except KubeboxError:  # Of `before`, and no word of this connection. Some are OSError as well.
            raise
        except OSError as error:
            self._end(self._broken_off())
            raise _again(self._error) from error

    async def _keep(self) -> None:
        try:
            while not self._ended.is_set():
                try:
                    async with asyncio.timeout(min(TICK_SECONDS, RENEW_AFTER_SECONDS, self._heartbeat)):
                        await self._ended.wait()
                except TimeoutError:
                    await self._tick()
            await self._discard(polite=isinstance(self._error, NotConnected))
        except asyncio.CancelledError:  # the loop is ending, and the library's tasks with it
            self._end(NotConnected(f"{self._url}: the event loop is ending"))
            raise

    async def _tick(self) -> None:
        if self._socket is not None and self._socket.given_up:
            self._end(self._broken_off(" (no answer, and nothing can be sent)"))
            return
        await self.settle()
        self._awake = time.monotonic()
        if self._awake - self._renewed >= RENEW_AFTER_SECONDS:
            await self._renew()

    async def _renew(self) -> None:
        self._renewed = time.monotonic()
        try:
            token = await self._sign(CONNECTION_TOKEN_SECONDS)
            answer = await self.ask(events.RENEW_TOKEN, {"token": token}, CONNECT_SECONDS)
            refused = read_refusal(answer.get("error")) if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - whatever was sent
        except KubeboxError as error:
            refused = error
        if isinstance(refused, (ConnectionFailed, TokenExpired)):
            # Another connection begins with a look at who answers, and at the clock.
            self._end(self._broken_off(f" ({refused.message})"))
        elif refused is not None:
            self._end(refused)

    async def _discard(self, *, polite: bool) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close(polite=polite)


def _again(error: KubeboxError) -> KubeboxError:
    """The same error as an object of its own: one that several tasks raise would collect all their traces."""
    copy = type(error)(error.message, **error.data)
    copy.code = error.code
    return copy
