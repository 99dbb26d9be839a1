"""The spawn itself: pipes are made, the workspace is asked, and what it says is told in the client's words."""

import asyncio

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.executions.plan import Plan
from kubebox_sandbox.executions.record import Channel, Record
from kubebox_sandbox.executions.segment import STREAMS
from kubebox_sandbox.executions.stdin import fixed_input
from kubebox_sandbox.workspace import Answer, Failed, Operation, Workspace, bytes_field, refusal
from kubebox_sandbox.workspace.descriptors import close_all

START_SECONDS = 30.0
"""Seconds that a spawn may take: a workspace that is short of memory is slow, but not for ever."""


class NotKnown(Exception):
    """It was sent and not answered: whether it runs cannot be known.

    Args:
        why: What the client is told.
    """

    def __init__(self, why: Refused) -> None:
        super().__init__(why.message)
        self.why = why


async def spawn(workspace: Workspace, record: Record, wanted: Plan) -> None:
    """Start the command of a record, whose pipes are not open yet. Its output flows into the journal from here on.

    Raises:
        Refused: It was not started.
        NotKnown: It may have been.
    """
    await workspace.arrives()
    answer = _send(workspace, record, wanted)
    # While the workspace is busy with it: a quick command's pipes have then ended by the time of the answer.
    record.begin()
    try:
        await answer
    except Failed as failed:
        raise _refusal(failed, wanted) from None
    except Refused as refused:
        raise NotKnown(refused) from None


def _send(workspace: Workspace, record: Record, wanted: Plan) -> asyncio.Future[Answer]:
    spare: list[int] = []
    try:
        descriptors = _open(record, wanted.stdin, spare)
        fields = {
            "execution": str(record.execution_id),
            "programs": [bytes_field(program) for program in wanted.programs],
            "argv": [bytes_field(argument) for argument in wanted.arguments],
            "env": [bytes_field(f"{name}={value}") for name, value in wanted.env.items()],
            "keep": len(record.beginning.channels),
            **wanted.place,
            **wanted.manner,
        }
        return workspace.ask("start", fields, descriptors=descriptors, deadline=START_SECONDS)
    except OSError as error:
        raise Refused(
            ErrorCode.WORKSPACE_EXHAUSTED, f"the server has no descriptors left: {error.strerror}"
        ) from None
    finally:
        close_all(spare)


def _open(record: Record, content: bytes | None, spare: list[int]) -> list[int]:
    """Open its pipes: the command's ends come first, then ours, which the workspace keeps for us.

    Args:
        record: Whose.
        content: The standard input that is given with the start.
        spare: Takes what is to be closed as soon as it was passed, even where the next pipe cannot be made.
    """
    pump, stdin, shell = record.pump, record.stdin, record.shell
    assert pump is not None  # noqa: S101 - made with the record; for the type checker
    kept: dict[Channel, int] = {}
    if stdin is None:
        given = [fixed_input(content)]
    else:
        reading, kept["stdin"] = stdin.open()
        given = [reading]
        spare.append(kept["stdin"])
    spare.append(given[0])
    for stream in STREAMS:
        given.append(pump.open(stream))
        spare.append(given[-1])
    if shell is not None:
        writing, kept["results"] = shell.open()
        given.append(writing)
        spare += writing, kept["results"]
    ours: dict[Channel, int] = {**pump.reading, **kept}
    return [*given, *(ours[channel] for channel in record.beginning.channels)]


def _refusal(failed: Failed, wanted: Plan) -> Refused:
    if failed.what in ("path", "folder", "root"):
        return refusal(failed, Operation.FILE, "the folder to run in")
    if failed.what == "user":
        return refusal(failed, Operation.USER, wanted.user or "")
    return refusal(failed, Operation.START, wanted.subject)
