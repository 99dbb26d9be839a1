"""`kubebox logs`: what a command wrote."""

from typing import Annotated

from cyclopts import Parameter

from kubebox.cli._attend import attend
from kubebox.cli._show import Json
from kubebox.cli._target import Target
from kubebox.cli.app import tell
from kubebox.errors import OffsetExpired


def logs(
    process_id: str,
    *,
    target: Target = Target(),  # noqa: B008 - frozen
    follow: Annotated[bool, Parameter(name=("--follow", "-f"))] = False,
    offset: int | None = None,
    as_json: Json = False,
) -> int:
    """Print what a command wrote, byte for byte, each stream on its own.

    Args:
        process_id: The command's.
        target: Which sandbox.
        follow: Go on until the command ends.
        offset: The first byte wanted, both streams counted together; unless given, the first that is held.
        as_json: Print one JSON object a line: pieces of `stdout` and `stderr` (`offset`, `text`; `data` in base64), and `ended`
            where the command has.
    """
    return attend(_logs(process_id, target, follow, offset, as_json))


async def _logs(process_id: str, target: Target, follow: bool, offset: int | None, as_json: bool) -> None:
    from kubebox.cli._pass_output import pass_output, write_end
    from kubebox.cli._reach import reach

    async with reach(target) as reached:
        session_id = await reached.session_of(process_id)
        record = await reached.client.check_status(session_id, process_id)
        until = None if follow or record.state == "ended" else record.end_offset
        start = offset or 0
        if until is not None and start >= until:
            return  # Nothing yet, and nobody waits.
        stream = reached.client.attach(session_id, process_id, start)
        try:
            await pass_output(stream, until=until, as_json=as_json)
        except OffsetExpired as expired:
            if offset is not None:
                raise
            stream = reached.client.attach(session_id, process_id, int(expired.data["first_offset"]))
            await pass_output(stream, until=until, as_json=as_json)
        if stream.dropped_bytes:
            tell(f"{stream.dropped_bytes} bytes of its output are no longer held")
        if as_json and stream.verdict is not None:
            write_end(process_id, stream.verdict)
