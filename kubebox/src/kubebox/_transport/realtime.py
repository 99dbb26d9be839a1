"""Socket.IO: the one connection on which commands are started and their output arrives.

python-socketio has no types, so it is wrapped here and in `socket.py`, and everything that comes out of it is validated at once.
Its client passes each message to a task of its own, started in order of arrival; handlers that never await keep the order.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
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
    TokenExpired,
)
from kubebox_protocol import events
from kubebox_protocol.executions import ExecutionEnded, OutputChunk, OutputGap
from kubebox_protocol.limits import MAX_TOKEN_LIFETIME_SECONDS

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

Event = TypeVar("Event", OutputChunk, OutputGap, ExecutionEnded)


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
        self._library: Any = None
        self._keeper: asyncio.Task[None] | None = None
        self._opening: asyncio.Timeout | None = None
        self._ended = asyncio.Event()
        self._error: KubeboxError = NotConnected("not connected: call connect() first")
        self._refusal: KubeboxError | None = None
        self._questions = asyncio.Semaphore(MAX_QUESTIONS)
        self._opened = self._awake = self._renewed = time.monotonic()
        self._brought_output = False
        self._settling = asyncio.Lock()
        self._answers: set[asyncio.Future[Any]] = set()

    @property
    def connected(self) -> bool:
        """Whether events can be sent."""
        return self._keeper is not None and not self._ended.is_set()

    async def open(self) -> None:
        """Connect.

        Raises:
            KubeboxError: The server was not reached, or refused.
        """
        from kubebox._transport.socket import Socket, connect_error

        self._socket = Socket(self._url, self._heartbeat, self._on_closed)
        self._library = self._socket.client
        self._register()
        try:
            await self._connect(await self._sign(CONNECTION_TOKEN_SECONDS))
        except BaseException as error:  # cancellation too; and the untyped library raises what it likes
            await self._discard(polite=False)
            if isinstance(error, KubeboxError) or not isinstance(error, Exception):
                raise
            raise self._refusal or connect_error(self._url, error) from error
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
        self, event: str, payload: Any, timeout: float, before: Callable[[], None] | None = None
    ) -> Any:
        """Send an event and wait for what it is answered with; see `Transport.ask`."""
        async with self._questions:
            return await self._ask(event, payload, timeout, before)

    async def tell(self, event: str, payload: Any) -> None:
        """Send an event that is not answered."""
        await self._emit(event, payload, None)

    async def _connect(self, token: str) -> None:
        async with asyncio.timeout(CONNECT_SECONDS) as self._opening:
            try:
                await self._library.connect(
                    self._url, auth={"token": token}, transports=["websocket"], wait_timeout=CONNECT_SECONDS
                )
            finally:
                self._opening = None

    async def _ask(self, event: str, payload: Any, timeout: float, before: Callable[[], None] | None) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(*arguments: Any) -> None:
            if not answer.done():
                answer.set_result(arguments[0] if arguments else None)

        if before is not None:
            before()  # From here to the end of sending nothing else runs.
        await self._emit(event, payload, answered)
        self._answers.add(answer)
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError as error:
            if isinstance(error, KubeboxError):
                raise
            raise AnswerTimeout(f"{self._url}: no answer to {event} within {timeout:g} s") from None
        finally:
            self._answers.discard(answer)

    def _register(self) -> None:
        self._library.on("connect_error", self._on_refused)
        self._library.on("disconnect", self._on_disconnect)
        self._library.on(events.OUTPUT, self._receiver(OutputChunk))
        self._library.on(events.GAP, self._receiver(OutputGap))
        self._library.on(events.ENDED, self._receiver(ExecutionEnded))

    def _receiver(self, model: type[Event]) -> Callable[[Any], None]:
        def receive(value: Any) -> None:
            if self._ended.is_set():
                return  # Its listeners have been told of the loss, and ask another connection for this.
            self._brought_output = True
            try:
                event = model.model_validate(value)
            except ValidationError:
                self._end(AnswerInvalid(f"{self._url}: the server sent a malformed {model.__name__}"))
                return
            execution_id = (
                event.execution.execution_id if isinstance(event, ExecutionEnded) else event.execution_id
            )
            listener = self._listeners.get(execution_id)
            if listener is not None:
                listener(event)

        return receive

    def _on_refused(self, reason: Any = None) -> None:
        # python-socketio sends {"message": …, "data": …}; ours is in `data`, or is all of it.
        inner = reason.get("data") if isinstance(reason, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped library
        self._refusal = read_refusal(inner) or read_refusal(reason)

    def _on_disconnect(self, reason: Any = None) -> None:
        self._end(self._broken_off(f" ({reason})" if reason else ""))

    def _on_closed(self) -> None:
        if self._opening is not None:
            self._refusal = self._refusal or self._broken_off(" while it was being made")
            self._opening.reschedule(asyncio.get_running_loop().time())

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
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(_again(error))
        if self._keeper is not None:
            self._lost(self._brought_output or time.monotonic() - self._opened > STEADY_SECONDS)
            for listener in list(self._listeners.values()):
                listener(_again(error))

    async def _emit(self, event: str, payload: Any, callback: Callable[..., None] | None) -> None:
        if not self.connected:
            raise _again(self._error)
        try:
            # Suspends nowhere (the library's queue has no bound), so the frames of one message stay together.
            await self._library.emit(event, payload, callback=callback)
        except Exception as error:  # untyped library: whatever it raises, the event was not sent
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
            refused = read_refusal(answer.get("error")) if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped library
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
