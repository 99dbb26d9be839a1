"""`kubebox ps`: the commands of a sandbox."""

import time
from typing import TYPE_CHECKING

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, duration, write_json, write_table
from kubebox.cli._target import Target

if TYPE_CHECKING:
    from kubebox_protocol.executions import Execution


def ps(
    *,
    target: Target = Target(),  # noqa: B008 - frozen
    all: bool = False,
    as_json: Json = False,
) -> int:
    """List the commands of a sandbox.

    Args:
        target: Which sandbox; of one session alone where that is named.
        all: Those that have ended too.
        as_json: Print one JSON object a line: `process_id`, `session_id`, `kind`, `state`, `exit_code`, `verdict`, `started_at`
            (Unix time), `duration` (seconds), `end_offset` (bytes of output), `command` (its beginning).
    """
    return attend(_ps(target, all, as_json))


async def _ps(target: Target, everything: bool, as_json: bool) -> None:
    from kubebox.cli._reach import reach

    async with reach(target) as reached:
        found = [
            one
            for session_id in await reached.sessions()
            for one in await reached.client.list_commands(session_id)
            if everything or one.state == "running"
        ]
    found.sort(key=lambda one: one.started_at)
    if as_json:
        for one in found:
            write_json(_fields(one))
    else:
        write_table(
            ("PROCESS", "SESSION", "KIND", "STATE", "STARTED", "COMMAND"), [_row(one) for one in found]
        )


def _fields(one: "Execution") -> dict[str, object]:
    verdict = one.verdict
    return {
        "process_id": str(one.execution_id),
        "session_id": one.session_id,
        "kind": one.kind,
        "state": one.state,
        "exit_code": None if verdict is None else verdict.exit_code,
        "verdict": None if verdict is None else verdict.kind,
        "started_at": one.started_at,
        "duration": one.duration,
        "end_offset": one.end_offset,
        "command": one.command,
    }


def _row(one: "Execution") -> tuple[str, ...]:
    verdict = one.verdict
    state = one.state
    if verdict is not None:
        state = verdict.kind if verdict.kind != "exited" else f"exited {verdict.exit_code}"
    started = f"{duration(time.time() - one.started_at)} ago"
    return str(one.execution_id), one.session_id, one.kind, state, started, one.command
