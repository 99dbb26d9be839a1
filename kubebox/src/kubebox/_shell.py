"""Shells that stay: what one command sets, the next one finds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from kubebox import _arguments
from kubebox._collect import Collector
from kubebox._results import CommandResult, known_end, with_output
from kubebox._running import KILL_GRACE_SECONDS, Running
from kubebox._shell_output import read_part
from kubebox._shell_turns import ShellTurns
from kubebox._transport.base import Transport
from kubebox.errors import ExecutionNotFound, SandboxLost
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.shells import ShellResult
from kubebox_protocol.verdicts import Verdict, VerdictKind

if TYPE_CHECKING:
    from kubebox._executions import Executions


class Shell(Running):
    """A shell (bash, or sh where there is none) that runs one command after the other.

    Folder, variables, functions and background jobs stay. Commands have an empty standard input; what they write is theirs until
    the next one begins, that of background jobs too. `async with` ends the shell, and all that it started.

    Attributes:
        process_id: Its id, which `get_shell()` of any client takes.
    """

    def __init__(
        self,
        transport: Transport,
        executions: "Executions",
        session_id: str,
        process_id: str,
        number: int | None,
    ) -> None:
        super().__init__(executions, session_id, process_id)
        self._transport = transport
        self._execution_id = _arguments.process(process_id)
        self._turns = ShellTurns(
            executions.steering.patience, executions.clean_up, session_id, self._execution_id, number
        )

    def __repr__(self) -> str:
        return f"<Shell {self.process_id}>"

    async def run(self, command: str, *, timeout: float | None = None) -> CommandResult:
        """Run a command, when those before it have ended.

        A command that ends the shell (`exit 3`, `exec`, a failure after `set -e`) gives its result too; only the next one finds
        no shell. What is no command, as an open quote, gives code 2, and the shell goes on; but an open `$(` is more than many a
        bash survives. Functions and aliases may have any name; but a shell that takes no more commands, as after `set -n`, is
        ended, and `verdict` says so. Whoever stops waiting ends the command, and the shell goes on, as at a timeout.

        Args:
            command: One or more lines.
            timeout: Seconds until all that the shell has started is ended, its background jobs too; and the shell itself where
                that does not help, as with a loop that starts nothing. `verdict` says `timed-out` then.

        Returns:
            Its output, and the code that the shell gave it: 128 + N where signal N ended it. `check()` makes a failure an
            error.

        Raises:
            ExecutionEnded: The shell has ended.
            CommandEmpty: There is nothing to run.
            ShellBusy: Another client runs a command in it.
            ConnectionLost: The connection was lost, and did not come back. The command may go on, and the next call waits
                for its end.
            ExecutionUnknown: The server started anew just then. How it ended, or whether it was run, cannot be known; the shell
                goes on.
            SandboxLost: The workspace went while it ran.
        """
        checked = _arguments.argument("command", command)
        limit = None if timeout is None else _arguments.seconds("timeout", timeout)
        result = await self._turns.run(checked, limit)
        verdict = known_end(_verdict(result), self.process_id)
        return with_output(verdict, self.process_id, await self._output(result))

    async def close(self, *, grace: float = KILL_GRACE_SECONDS) -> None:
        """End it, and all that it started. Again does nothing.

        Args:
            grace: Seconds between SIGTERM and SIGKILL.
        """
        try:
            await self.kill(grace=grace)
        except (ExecutionNotFound, SandboxLost):
            return  # It is gone already.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _output(self, result: ShellResult) -> Collector:
        if result.output is None:
            start, end = result.start_offset, result.end_offset
            return await read_part(self._transport, self._session_id, self._execution_id, start, end)
        collector = Collector()
        for chunk in result.output:
            collector.add(chunk)
        return collector


async def open_shell(
    transport: Transport,
    executions: "Executions",
    session_id: str,
    *,
    path: str | None,
    env: Mapping[str, str] | None,
    timeout: float | None,
    process_id: str | None,
) -> Shell:
    """Start a shell, or find the one that was started under this id."""
    start = _arguments.start(
        "",
        CommandMode.BACKGROUND,  # Its journal must drop the oldest: nobody reads it, so nothing may wait for a reader.
        path=path,
        timeout=timeout,
        env=env,
        user=None,
        stdin=None,
        process_id=process_id,
        as_shell=True,
    )
    await executions.start(session_id, start, None)
    number = 1 if process_id is None else None
    return Shell(transport, executions, session_id, str(start.execution_id), number)


def _verdict(result: ShellResult) -> Verdict:
    if result.ended is not None:
        return result.ended
    if result.timed_out:
        return Verdict(
            kind=VerdictKind.TIMED_OUT,
            exit_code=result.exit_code,
            by="timeout",
            message="It reached its timeout and was ended; the shell goes on.",
        )
    if result.exit_code is None:
        return Verdict(
            kind=VerdictKind.UNKNOWN,
            message="The sandbox's server started anew just then: how it ended, or whether it was run, cannot be known.",
        )
    return Verdict(
        kind=VerdictKind.EXITED,
        exit_code=result.exit_code,
        message=f"It exited with code {result.exit_code}.",
    )
