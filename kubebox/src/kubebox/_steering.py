"""What a client does to commands that run: input, signals, a terminal's size."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID
from weakref import WeakValueDictionary

from kubebox import _arguments, _signals
from kubebox._input import InputWriter
from kubebox._patience import Patience
from kubebox._transport.base import Transport
from kubebox_protocol import events
from kubebox_protocol.base import Answer
from kubebox_protocol.executions import Execution, TerminalSize
from kubebox_protocol.steering import ResizeRequest


class Steering:
    """Steers the commands of one client.

    Args:
        transport: The way to the server.
        status: Asks for a command's record.

    Attributes:
        patience: For questions that take as long as commands do.
    """

    def __init__(self, transport: Transport, status: Callable[[str, str], Awaitable[Execution]]) -> None:
        self._transport = transport
        self._status = status
        self._writers: WeakValueDictionary[tuple[str, UUID], InputWriter] = WeakValueDictionary()
        self.patience = Patience(transport)

    def writer(self, session_id: str, process_id: str) -> InputWriter:
        """Who writes a command's input.

        One for each command, whatever objects know it: to the server, all of this client is one writer, and two that count
        for themselves would take each other's bytes for their own.
        """
        execution_id = _arguments.process(process_id)
        writer = self._writers.get((session_id, execution_id))
        if writer is None:
            status = partial(self._status, session_id, process_id)
            writer = InputWriter(self.patience, status, session_id, execution_id)
            self._writers[session_id, execution_id] = writer
        return writer

    async def signal(self, session_id: str, process_id: str, signal: str, scope: _signals.Scope) -> int:
        """Send a signal, and say how many processes it went to."""
        return await _signals.send(self._transport, session_id, process_id, signal, scope)

    async def resize(self, session_id: str, process_id: str, rows: int, columns: int) -> None:
        """Give a terminal another size."""
        size = _arguments.build(TerminalSize, rows=rows, columns=columns)
        execution_id = _arguments.process(process_id)
        request = ResizeRequest(session_id=session_id, execution_id=execution_id, size=size)
        await self._transport.ask(events.RESIZE, request, Answer, repeat=True)
