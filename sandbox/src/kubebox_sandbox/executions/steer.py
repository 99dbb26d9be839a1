"""What a client does with a running execution but end it: signals, input, a terminal's size, a shell's commands."""

import asyncio
import contextlib
import signal as signals
from typing import Any

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import TerminalSize
from kubebox_protocol.shells import ShellCommand, ShellResult
from kubebox_protocol.steering import Input, Signal
from kubebox_sandbox.executions.plan import check_argument
from kubebox_sandbox.executions.record import Record
from kubebox_sandbox.executions.shell import Shell, TakesNoMore
from kubebox_sandbox.executions.stop import TIMEOUT_GRACE_SECONDS, signal_tree, stop
from kubebox_sandbox.workspace import Failed, Workspace, said
from kubebox_sandbox.workspace.messages import Signalled

KILL_COMMAND_SECONDS = 1.0
"""Seconds that SIGKILL is repeated to what a shell's command has started: a loop starts anew what was killed, for ever."""

SHELL_PATIENCE_SECONDS = 1.0
"""Seconds that a shell gets to say its code when everything that its command had started is gone; then it goes too."""


async def begin(record: Record, command: str | list[str]) -> None:
    """Do what comes right after the start: a shell runs its first command, if it has one."""
    if record.shell is not None:
        await record.shell.begin(command if isinstance(command, str) else "")


async def signal(workspace: Workspace, record: Record, request: Signal) -> int:
    """Send a signal, and say how many processes it went to.

    Raises:
        Refused: There is no such signal, or the execution has ended.
    """
    name = request.signal.upper().removeprefix("SIG")
    number = getattr(signals, f"SIG{name}", None)
    if not isinstance(number, signals.Signals):
        raise Refused(
            ErrorCode.INVALID_REQUEST, "there is no signal of that name; it looks like INT or SIGINT"
        )
    await record.settled.wait()
    if record.ending is not None and request.scope == "leader":
        raise _ended(record)
    fields = {"signal": int(number), "scope": request.scope, "patience_ms": 0}
    return said(Signalled, await _ask(workspace, record, "signal", fields)).signalled


async def resize(workspace: Workspace, record: Record, size: TerminalSize) -> None:
    """Give a terminal another size.

    Raises:
        Refused: It is no terminal, or has ended.
    """
    if record.beginning.kind != "terminal":
        raise Refused(ErrorCode.NOT_A_TERMINAL, "the execution runs in no terminal")
    await record.settled.wait()
    if record.ending is not None:
        raise _ended(record)
    await _ask(workspace, record, "resize", {"rows": size.rows, "columns": size.columns})


async def give(record: Record, writer: object, request: Input) -> int:
    """Give more standard input, and say how much that makes.

    Raises:
        Refused: It takes no more, another one writes, or bytes before these are missing.
    """
    await record.is_there()
    if record.stdin is None or record.shell is not None:
        raise Refused(ErrorCode.INPUT_CLOSED, "it was started without a standard input that stays open")
    record.stdin.claim(writer, take=request.take)
    return await record.stdin.write(request.offset, request.data, close=request.close)


async def run_in_shell(workspace: Workspace, record: Record, request: ShellCommand) -> ShellResult:
    """Run a command in a shell, and wait for its end.

    Raises:
        Refused: It is no shell, it has ended, or it runs another command.
    """
    shell = record.shell
    if shell is None:
        raise Refused(ErrorCode.NOT_A_SHELL, "the execution is no shell")
    check_argument(request.command)
    if not request.command.strip():
        raise Refused(ErrorCode.COMMAND_EMPTY, "the command is empty")
    await record.settled.wait()
    if request.number != shell.number:
        await shell.calm.wait()
    if request.timeout is None:
        return await _run(workspace, record, shell, request)
    running = asyncio.ensure_future(_run(workspace, record, shell, request))
    done, _ = await asyncio.wait([running], timeout=request.timeout)
    if not done and (shell.number != request.number or shell.result is None):
        shell.calm.clear()
        try:
            await _end_command(workspace, record, shell, running)
        finally:
            shell.calm.set()
    return await running


async def _run(workspace: Workspace, record: Record, shell: Shell, request: ShellCommand) -> ShellResult:
    """Run a command; where the shell takes no more, its end is the answer."""
    try:
        return await shell.run(request.number, request.command)
    except TakesNoMore:
        await stop(workspace, record, "server", 0)
        await record.ended.wait()
        return await shell.run(request.number, request.command)


async def _end_command(
    workspace: Workspace, record: Record, shell: Shell, running: "asyncio.Future[ShellResult]"
) -> None:
    """End what the command has started; and the shell with it, where that is not enough."""
    shell.timed_out = True
    with contextlib.suppress(Failed):  # It has ended meanwhile.
        for number, patience in (
            (signals.SIGTERM, TIMEOUT_GRACE_SECONDS),
            (signals.SIGKILL, KILL_COMMAND_SECONDS),
        ):
            if not await signal_tree(workspace, record, number, patience, scope="others"):
                break
    done, _ = await asyncio.wait([running], timeout=SHELL_PATIENCE_SECONDS)
    if not done:
        await stop(workspace, record, "timeout", 0)


async def _ask(
    workspace: Workspace, record: Record, operation: str, fields: dict[str, Any]
) -> dict[str, Any]:
    try:
        answer = await workspace.request(operation, {"execution": str(record.execution_id), **fields})
    except Failed as failed:
        if failed.errno in ("ESRCH", "ENOENT"):
            raise _ended(record) from None
        raise Refused(
            ErrorCode.INTERNAL_ERROR, f"the workspace could not {operation}: {failed.errno[:32]!a}"
        ) from None
    return answer.fields


def _ended(record: Record) -> Refused:
    message = (
        "the execution has ended"
        if record.verdict is None
        else f"the execution has ended: {record.verdict.message}"
    )
    return Refused(ErrorCode.EXECUTION_ENDED, message)
