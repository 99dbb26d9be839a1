"""`kubebox stop`: the end of a command."""

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli._visible import visible
from kubebox.cli.app import write


def stop(
    *process_ids: str,
    target: Target = Target(),  # noqa: B008 - frozen
    grace: float = 2.0,
    signal: str | None = None,
    as_json: Json = False,
) -> int:
    """End a command and all that it started, or send it a signal.

    Args:
        process_ids: Theirs, as `kubebox ps` lists them.
        target: Which sandbox.
        grace: Seconds between SIGTERM and SIGKILL.
        signal: Send this one alone instead, for instance HUP, and end nothing.
        as_json: Print one JSON object a line: `process_id`, and `verdict`, or `signalled` (how many processes got the signal).
    """
    return attend(_stop(process_ids, target, grace, signal, as_json))


async def _stop(
    process_ids: tuple[str, ...], target: Target, grace: float, signal: str | None, as_json: bool
) -> None:
    from kubebox.cli._reach import reach

    async with reach(target) as reached:
        for process_id in process_ids:
            session_id = await reached.session_of(process_id)
            if signal is not None:
                count = await reached.client.send_signal(session_id, process_id, signal)
                fields: dict[str, object] = {"process_id": process_id, "signalled": count}
                words = f"{count} processes signalled"
            else:
                verdict = await reached.client.kill_command(session_id, process_id, grace=grace)
                fields = {"process_id": process_id, "verdict": verdict.model_dump(mode="json")}
                words = verdict.message
            if as_json:
                write_json(fields)
            else:
                write(f"{process_id}: {visible(words)}")
