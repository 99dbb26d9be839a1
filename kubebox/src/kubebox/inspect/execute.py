"""A command, as Inspect asks for one and is told of its end."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kubebox import Sandbox, Verdict, _arguments
from kubebox._collect import Collector, text
from kubebox._exit_codes import exit_code_of
from kubebox._results import require_known_end
from kubebox._running import KILL_GRACE_SECONDS
from kubebox.errors import InputClosed, PathOutside
from kubebox.inspect.files import SHELL
from kubebox_protocol.executions import CommandMode, Execution, StartCommand
from kubebox_protocol.limits import MAX_STDIN_BYTES


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        verdict: How.
        returncode: As a shell says it.
        stdout: What it wrote, as text; of too much the beginning and the end.
        stderr: The same of the other stream.
        too_much: Whether a stream was longer than it may be.
    """

    verdict: Verdict
    returncode: int
    stdout: str
    stderr: str
    too_much: bool


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A command.

    Attributes:
        command: The program and its arguments.
        stdin: Its input; `None` for none.
        path: Its folder.
        env: Its variables.
        user: Whose it is.
        timeout: Seconds until it is ended.
        limit: Bytes of each stream that are wanted.
    """

    command: Sequence[str]
    stdin: bytes | None
    path: str | None
    env: Mapping[str, str]
    user: str | None
    timeout: float | None
    limit: int


async def execute(sandbox: Sandbox, wanted: Wanted) -> Finished:
    """Run a command to its end; who is cancelled leaves nothing running.

    Raises:
        CommandError: It cannot be run.
        KubeboxError: The sandbox is lost, or cannot be reached.
    """
    collector = Collector(wanted.limit)
    try:
        execution = await _run(sandbox, wanted, wanted.command, wanted.path, collector)
    except PathOutside:
        # The server starts commands beneath the workspace alone. A shell goes where it is told.
        through = [SHELL, "-c", 'cd -- "$0" && exec "$@"', wanted.path or ".", *wanted.command]
        execution = await _run(sandbox, wanted, through, None, collector)
    verdict = require_known_end(execution)
    return Finished(
        verdict=verdict,
        returncode=exit_code_of(verdict),
        stdout=text(collector.pieces("stdout")),
        stderr=text(collector.pieces("stderr")),
        too_much=collector.truncated,
    )


async def _run(
    sandbox: Sandbox, wanted: Wanted, command: Sequence[str], path: str | None, collector: Collector
) -> Execution:
    executions = sandbox.client.executions
    large = wanted.stdin is not None and len(wanted.stdin) > MAX_STDIN_BYTES
    start = _arguments.start(
        command,
        CommandMode.BACKGROUND if large else CommandMode.WAIT,
        path=path,
        timeout=wanted.timeout,
        env=wanted.env,
        user=wanted.user,
        stdin=None if large else wanted.stdin,
        process_id=None,
        open_stdin=large,
        lease=None if large else executions.wait_lease,
    )
    if wanted.stdin is None or not large:
        return await executions.collect(sandbox.session_id, start, collector)
    return await _feed(sandbox, start, wanted.stdin, collector)


async def _feed(sandbox: Sandbox, start: StartCommand, stdin: bytes, collector: Collector) -> Execution:
    process = await sandbox.client.executions.background(sandbox.session_id, start)
    try:
        with suppress(InputClosed):  # it need not read all
            await process.write(stdin)
            await process.close_stdin()
        return await sandbox.client.executions.gather(sandbox.session_id, process.process_id, collector)
    except BaseException:  # cancellation too: nobody waits for it any more
        await sandbox.client.executions.clean_up(_kill(sandbox, process.process_id))
        raise


async def _kill(sandbox: Sandbox, process_id: str) -> None:
    await sandbox.client.kill_command(sandbox.session_id, process_id, grace=KILL_GRACE_SECONDS)
