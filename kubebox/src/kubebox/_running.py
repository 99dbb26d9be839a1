"""What can be done with every command that runs, by whoever knows its name."""

from typing import TYPE_CHECKING

from kubebox._input import InputWriter
from kubebox._signals import Scope
from kubebox_protocol.executions import Execution
from kubebox_protocol.verdicts import Verdict

if TYPE_CHECKING:
    from kubebox._executions import Executions

KILL_GRACE_SECONDS = 2.0
"""Seconds between SIGTERM and SIGKILL where nobody says otherwise: enough to put a file away."""


class Running:
    """A command that was started.

    Attributes:
        process_id: Its id, which any client's calls take.
    """

    def __init__(self, executions: "Executions", session_id: str, process_id: str) -> None:
        self._executions = executions
        self._session_id = session_id
        self.process_id = process_id

    async def status(self) -> Execution:
        """Its record: whether it runs, how it ended, how much it wrote."""
        return await self._executions.status(self._session_id, self.process_id)

    async def signal(self, signal: str, *, scope: Scope = "tree") -> int:
        """Send it a signal, and say how many processes it went to, as `SandboxClient.send_signal` does."""
        return await self._executions.steering.signal(self._session_id, self.process_id, signal, scope)

    async def kill(self, *, grace: float = KILL_GRACE_SECONDS) -> Verdict:
        """End it and all that it started: SIGTERM, and SIGKILL after the grace, in seconds."""
        return await self._executions.kill(self._session_id, self.process_id, grace)


class WithInput(Running):
    """A command whose standard input may have been left open (`open_stdin=True`)."""

    def __init__(self, executions: "Executions", session_id: str, process_id: str) -> None:
        super().__init__(executions, session_id, process_id)
        self._writer: InputWriter | None = None

    async def write(self, data: bytes | str, *, take: bool = False) -> None:
        """Give more standard input, and wait until the command's pipe has taken it. Calls queue up.

        A command that does not read holds the writer back. Whoever stops waiting may have given a part;
        `status()` says how much in `stdin_offset`, and the next call goes on there.

        Args:
            data: Bytes, or text, which goes as UTF-8.
            take: Take over from another client that writes; else there is one.

        Raises:
            InputClosed: It takes no more: it has ended, does not read any longer, or never had an input that stays open.
            InputConflict: Another client writes.
        """
        await self._input().write(data, take=take)

    async def close_stdin(self) -> None:
        """Let it see the end of its input, after all that was written. Again does nothing.

        Raises:
            InputClosed: It never had an input that stays open.
            InputConflict: Another client writes.
        """
        await self._input().close()

    def _input(self) -> InputWriter:
        if self._writer is None:
            self._writer = self._executions.steering.writer(self._session_id, self.process_id)
        return self._writer
