"""Standard input of a command that runs: given piece by piece, as the command reads it."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from kubebox._patience import Patience
from kubebox.errors import InputConflict, InvalidArgument
from kubebox_protocol import events
from kubebox_protocol.executions import Execution
from kubebox_protocol.limits import MAX_INPUT_BYTES
from kubebox_protocol.steering import Input, InputAnswer, InputRequest


class InputWriter:
    """A client's place in the input of one command.

    Each piece says how many bytes came before it, so one that is repeated, since its answer was lost, gives nothing twice. The
    answer comes when the command's pipe has taken the piece: that is the back-pressure.

    The server lets one connection write. After a lost one it may hold that for the writer still; see `_was_ours`.

    Args:
        patience: Asks, and waits as long as the command takes.
        status: Asks for the command's record.
        session_id: The command's session.
        execution_id: The command.
    """

    def __init__(
        self,
        patience: Patience,
        status: Callable[[], Awaitable[Execution]],
        session_id: str,
        execution_id: UUID,
    ) -> None:
        self._patience = patience
        self._status = status
        self._session_id = session_id
        self._execution_id = execution_id
        self._turn = asyncio.Lock()
        self._offset: int | None = (
            None  # Not known before the first piece, and after one that was not answered.
        )
        self._has_written = False

    async def write(self, data: bytes | str, *, take: bool = False) -> None:
        """Give more, and wait until the command's pipe has taken it. Calls queue up.

        Args:
            data: Bytes, or text, which goes as UTF-8.
            take: Take over from another client that writes.

        Raises:
            InputClosed: Nobody reads it any more, or ever did.
            InputConflict: Another client writes.
        """
        content = _as_bytes(data)
        async with self._turn:
            if take:
                self._offset = None
            for start in range(0, len(content), MAX_INPUT_BYTES):
                piece = content[start : start + MAX_INPUT_BYTES]
                await self._give(await self._known_offset(), piece, take=take and start == 0)

    async def close(self) -> None:
        """Let the command see the end of its input, after all that was given. Again does nothing."""
        async with self._turn:
            await self._give(await self._known_offset(), b"", close=True)

    async def _known_offset(self) -> int:
        return (await self._status()).stdin_offset if self._offset is None else self._offset

    async def _give(self, offset: int, data: bytes, *, close: bool = False, take: bool = False) -> None:
        self._offset = None
        try:
            answer = await self._ask(Input(offset=offset, data=data, close=close, take=take))
        except InputConflict as conflict:
            if not self._was_ours(conflict, offset, len(data)):
                raise
            answer = await self._ask(Input(offset=offset, data=data, close=close, take=True))
        self._offset, self._has_written = answer.offset, True

    def _was_ours(self, conflict: InputConflict, offset: int, size: int) -> bool:
        # Nobody else has written since: what holds the place is our own connection that was lost, of which the server does
        # not know yet. Whether this piece came over it, all of it came, or nothing.
        return self._has_written and conflict.data.get("offset") in (offset, offset + size)

    async def _ask(self, given: Input) -> InputAnswer:
        request = InputRequest(session_id=self._session_id, execution_id=self._execution_id, input=given)
        return await self._patience.ask(events.INPUT, request, InputAnswer)


def _as_bytes(data: bytes | str) -> bytes:
    if isinstance(data, str):
        try:
            return data.encode()
        except UnicodeEncodeError:
            raise InvalidArgument("data: not text that UTF-8 can carry") from None
    if not isinstance(data, (bytes, bytearray, memoryview)):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument("data: must be bytes or text")
    return bytes(data)
