"""Output on its way: read against credit, from offset to offset, over one connection after another."""

import asyncio
import contextlib
import time
from typing import Final
from uuid import UUID

from kubebox import errors
from kubebox._transport.base import Happening, Transport
from kubebox._transport.outage import STEADY_SECONDS
from kubebox.errors import AnswerInvalid, ConnectionLost, KubeboxError, NotSupported
from kubebox_protocol import events
from kubebox_protocol.base import Answer
from kubebox_protocol.executions import ExecutionRequest
from kubebox_protocol.limits import STREAM_CREDIT_BYTES
from kubebox_protocol.output import AttachRequest, CreditRequest, ExecutionEnded, OutputChunk, OutputGap

REGRANT_BYTES: Final = STREAM_CREDIT_BYTES // 2
"""Bytes read until as many are granted anew. Half is in flight meanwhile: the server never waits."""

DETACH_SECONDS: Final = 5.0
"""Seconds for a goodbye that nobody needs: the server drops a reader with its connection."""


class OutputReader:
    """One place in an execution's output.

    A client has one reader for each execution; a later one takes over from an earlier one.

    *A lost connection.* What had come is still read. Behind it in the queue is the loss itself, and behind that
    nothing, since the connection is no more; so whoever meets the loss has read exactly the bytes before `offset`,
    and attaches anew there, with fresh credit. No byte is missing, none comes twice.

    Args:
        transport: The way to the server.
        session_id: The execution's session.
        execution_id: The execution.
        offset: The first byte wanted.
        credit: Bytes that may be on their way; 0 to be told of the end alone.
        keep: Bytes of each stream that are wanted, of its head and its tail together; 0 for all.

    Attributes:
        offset: The next byte that is due.
        credit: As given.
        listening: Whether it is told what happens; else it has to attach before there is a next.
        failed: Whether it gave up, and raised.
    """

    def __init__(
        self,
        transport: Transport,
        session_id: str,
        execution_id: UUID,
        offset: int = 0,
        credit: int = STREAM_CREDIT_BYTES,
        keep: int = 0,
    ) -> None:
        self._transport = transport
        self._session_id = session_id
        self._execution_id = execution_id
        self._keep = keep
        self._queue: asyncio.Queue[Happening] = asyncio.Queue()
        self._consumed = 0
        self._unacknowledged = 0
        self._lost_at = -1
        self._resumed = self._give_up = 0.0
        self.offset = offset
        self.credit = credit
        self.listening = False
        self.failed = False

    def check_loop(self) -> None:
        """Refuse another event loop than the connection's: there, nothing would ever come."""
        self._transport.check_loop()

    async def listen(self) -> None:
        """Be told what happens from now on. Must come before the request that makes it happen."""
        self.failed = False
        self._clear()
        previous = self._transport.listen(self._execution_id, self._queue.put_nowait)
        self.listening = True
        if previous is not None:
            previous(
                NotSupported(
                    "another loop of this client took over this output; use a client for each reader"
                )
            )
            await self._send_detach()

    async def attach(self, *, again: bool = False) -> None:
        """Ask for the output from the reader's offset on.

        Args:
            again: Whether this client may have read it just before. What is still on its way to that reader must not be
                taken for this one's, so it is waited out.
        """
        try:
            await self.listen()
            if again:
                await self._send_detach()
            await self._ask_output(None)
        except KubeboxError as error:
            self._fail(error)
            raise
        except BaseException:  # cancellation too: nobody will read
            self.leave()
            raise

    def begin(self) -> None:
        """Forget what came until now: it answers requests whose connections are lost, and comes again.

        Raises:
            KubeboxError: Another reader took over, or the client has disconnected.
        """
        for happening in self._clear():
            if isinstance(happening, KubeboxError) and not isinstance(happening, ConnectionLost):
                raise happening

    async def next(self) -> OutputChunk | OutputGap | ExecutionEnded:
        """What happens next. Asking for it says that what was given before is done with.

        Raises:
            ConnectionLost: The connection was lost and did not come back.
            KubeboxError: The output is not there any more, or does not fit together.
        """
        self.check_loop()
        await self._grant()
        happening = await self._queue.get()
        while isinstance(happening, KubeboxError):
            await self._resume(happening)
            happening = await self._queue.get()
        if isinstance(happening, ExecutionEnded):
            self.leave()
            return happening
        if happening.offset != self.offset:
            await self.detach()
            error = AnswerInvalid(
                f"the server sent output from {happening.offset} on, where {self.offset} was due"
            )
            self._fail(error)
            raise error
        if isinstance(happening, OutputChunk):
            self.offset += len(happening.data)
            self._unacknowledged = len(happening.data)
        else:
            self.offset = happening.next_offset
        return happening

    async def end(self) -> ExecutionEnded:
        """The end, for a reader that granted no credit."""
        while True:
            happening = await self.next()
            if isinstance(happening, ExecutionEnded):
                return happening

    def leave(self) -> bool:
        """Stop listening; false where there was nothing to stop."""
        self.listening = False
        return self._transport.leave(self._execution_id, self._queue.put_nowait)

    async def detach(self) -> None:
        """Leave the output; the command goes on."""
        if self.leave():
            await self._send_detach()

    async def _resume(self, error: KubeboxError) -> None:
        """Go on where the reader stands, over another connection."""
        try:
            if not isinstance(error, ConnectionLost) or self._is_stuck():
                raise await self._transport.explain(error)
            await self._ask_output(error)
        except KubeboxError as failure:
            self._fail(failure)
            raise
        except BaseException:  # Cancellation too: the loss was taken, and nothing follows it.
            self.leave()
            raise
        self._resumed = time.monotonic()

    def _fail(self, error: KubeboxError) -> None:
        self.leave()
        self.failed = True
        error.data.setdefault("process_id", str(self._execution_id))
        error.data.setdefault("offset", self.offset)

    def _is_stuck(self) -> bool:
        # Connections that come back, and are lost again before they bring anything, are as bad as none.
        now = time.monotonic()
        if self.offset != self._lost_at or now - self._resumed > STEADY_SECONDS:
            self._lost_at = self.offset
            self._give_up = now + self._transport.reconnect
        return now >= self._give_up

    async def _ask_output(self, lost: ConnectionLost | None) -> None:
        request = AttachRequest(
            session_id=self._session_id,
            execution_id=self._execution_id,
            offset=self.offset,
            credit=self.credit,
            keep=self._keep,
        )
        self._consumed = self._unacknowledged = 0
        try:
            await self._transport.ask(
                events.ATTACH, request, Answer, repeat=True, before=self.begin, lost=lost
            )
        except BaseException:  # cancellation too: nobody will read
            self.leave()
            raise

    async def _grant(self) -> None:
        self._consumed += self._unacknowledged
        self._unacknowledged = 0
        credit = self._consumed
        if credit >= REGRANT_BYTES:
            request = CreditRequest(
                session_id=self._session_id, execution_id=self._execution_id, credit=credit
            )
            await self._transport.tell(events.CREDIT, request, self._granted)

    def _granted(self) -> None:
        # As it is sent, not before: who is cancelled while others send grants it next time. Nor after: not twice.
        self._consumed = 0

    async def _send_detach(self) -> None:
        if not self._transport.connected:
            return  # It went with the connection.
        request = ExecutionRequest(session_id=self._session_id, execution_id=self._execution_id)
        # Where one of these is raised, there is nothing to leave any more.
        with contextlib.suppress(
            TimeoutError, errors.ConnectionFailed, errors.ExecutionError, errors.SessionError
        ):
            async with asyncio.timeout(DETACH_SECONDS):
                await self._transport.ask(events.DETACH, request, Answer)

    def _clear(self) -> list[Happening]:
        cleared: list[Happening] = []
        while not self._queue.empty():
            cleared.append(self._queue.get_nowait())
        return cleared
