"""`kubebox run`: a command in a sandbox, as if it ran here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kubebox._exit_codes import NOT_EXECUTABLE, NOT_FOUND
from kubebox.cli._attend import attend
from kubebox.cli._making import Making
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli._variables import Variables, read_variables
from kubebox.cli.app import explain, tell, write
from kubebox.errors import InvalidArgument, ProgramNotExecutable, ProgramNotFound

if TYPE_CHECKING:
    from kubebox.cli._reach import Reached


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    command: list[str]
    env: dict[str, str]
    path: str | None
    timeout: float | None
    user: str | None


def run(
    *command: str,
    target: Target = Target(),  # noqa: B008 - frozen
    making: Making = Making(),  # noqa: B008 - frozen
    env: Variables = (),
    path: str | None = None,
    timeout: float | None = None,
    user: str | None = None,
    detach: Annotated[bool, Parameter(name=("--detach", "-d"))] = False,
    no_stdin: Annotated[bool, Parameter(name=("--no-stdin", "-n"))] = False,
    as_json: Json = False,
) -> int:
    """Run a command in a sandbox, as if it ran here.

    Args:
        command: The program and its arguments, after `--`; without a shell, unless it is one: sh -c 'a | b'.
        target: Which sandbox.
        making: What is made where no sandbox is named.
        env: A variable for it: K=V, or K alone to pass on one's own; may be repeated.
        path: Folder to run in.
        timeout: Seconds until the sandbox ends it, with all that it started.
        user: Account to run as; needs profile `root`.
        detach: Leave it running, without input, and print its process id.
        no_stdin: Give it no standard input.
        as_json: Print one JSON object a line: `started`, pieces of `stdout` and `stderr` (`text`; `data` in base64), `ended`.
    """
    if not command:
        raise InvalidArgument("nothing to run; kubebox run [options] -- COMMAND…")
    wanted = _Wanted(command=list(command), env=read_variables(env), path=path, timeout=timeout, user=user)
    return attend(_run(target, making, wanted, detach=detach, no_stdin=no_stdin, as_json=as_json))


async def _run(
    target: Target, making: Making, wanted: _Wanted, *, detach: bool, no_stdin: bool, as_json: bool
) -> int:
    from kubebox.cli._reach import reach

    # What is made for one command ends with it, so there is nothing to leave a command in.
    async with reach(target, making.options(), make=not detach) as reached:
        try:
            if detach:
                return await _leave(reached, wanted, as_json=as_json)
            return await _follow(reached, wanted, no_stdin=no_stdin, as_json=as_json)
        except (ProgramNotFound, ProgramNotExecutable) as error:
            explain(error)
            if len(wanted.command) == 1 and " " in wanted.command[0]:
                tell("without a shell this is one name; kubebox run -- sh -c '…' has one")
            return NOT_FOUND if isinstance(error, ProgramNotFound) else NOT_EXECUTABLE


async def _follow(reached: "Reached", wanted: _Wanted, *, no_stdin: bool, as_json: bool) -> int:
    from kubebox.cli._follow import follow, has_input

    reads = not no_stdin and has_input()
    stream = await reached.client.run_command(
        reached.session_id,
        wanted.command,
        path=wanted.path,
        timeout=wanted.timeout,
        env=wanted.env,
        user=wanted.user,
        open_stdin=reads,
        lease=reached.client.executions.wait_lease,
    )
    return await follow(stream, reads=reads, as_json=as_json)


async def _leave(reached: "Reached", wanted: _Wanted, *, as_json: bool) -> int:
    from kubebox_protocol.executions import CommandMode

    process = await reached.client.run_command(
        reached.session_id,
        wanted.command,
        CommandMode.BACKGROUND,
        wanted.path,
        wanted.timeout,
        env=wanted.env,
        user=wanted.user,
    )
    if as_json:
        write_json({"type": "started", "process_id": process.process_id})
    else:
        write(process.process_id)
    return 0
