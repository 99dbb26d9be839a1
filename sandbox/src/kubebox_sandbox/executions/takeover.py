"""Going on with what ran before the line broke, when the same workspace is back.

It may be the server that has started anew, and then the workspace hands the pipes back; or the line alone was lost. What
the workspace runs and nobody here knows is ended; what is known here and the workspace never heard of did not start.
"""

import logging
import os
import stat
from typing import Final

from kubebox_protocol.errors import Refused
from kubebox_sandbox.executions.pipes import reopened
from kubebox_sandbox.executions.record import Channel, Record
from kubebox_sandbox.executions.segment import STREAMS
from kubebox_sandbox.workspace import Failed, Workspace, said
from kubebox_sandbox.workspace.messages import Adopted, Running, Runs

logger = logging.getLogger(__name__)

MAX_PAGES: Final = 1000
"""Pages of the workspace's list: far more than it can run."""


class NotHandedBack(Exception):
    """The workspace did not give back an execution's pipes. The text says why."""


async def runs(workspace: Workspace) -> dict[str, Running]:
    """What the workspace knows, by its ids.

    Raises:
        Refused, Failed: It does not say.
    """
    found: dict[str, Running] = {}
    after = ""
    for _ in range(MAX_PAGES):
        page = said(Runs, (await workspace.request("executions", {"after": after})).fields)
        found.update((running.execution, running) for running in page.executions)
        if not page.more or not page.executions:
            break
        after = page.executions[-1].execution
    return found


async def adopt(workspace: Workspace, record: Record) -> None:
    """Take an execution's pipes back, and let them flow.

    Raises:
        NotHandedBack: They did not come.
        Refused: The workspace was lost.
    """
    channels = record.beginning.channels
    try:
        answer = await workspace.request("adopt", {"execution": str(record.execution_id)}, counted_by="kept")
    except Failed as failed:
        raise NotHandedBack(f"the workspace says {failed.errno[:32]!a}") from None
    try:
        free = set(range(len(channels)))
        for place, descriptor in zip(said(Adopted, answer.fields).kept, answer.descriptors, strict=True):
            if place not in free:
                raise OSError(None, "it passes what it was not given")
            free.remove(place)
            _connect(record, channels[place], descriptor)
    except OSError as error:
        record.abandon()
        raise NotHandedBack(error.strerror or str(error)) from None
    finally:
        workspace.closer.give(answer.descriptors)
    record.begin()


async def end_stranger(workspace: Workspace, execution: str) -> None:
    """End what nobody here knows: there is no journal for it, and nobody could ask for it."""
    try:
        await workspace.request(
            "signal", {"execution": execution, "signal": 9, "scope": "tree", "patience_ms": 1000}
        )
        await workspace.request("forget", {"execution": execution})
    except (Refused, Failed) as error:
        logger.warning("%s of an earlier server could not be ended: %s", execution[:64], error)


def _connect(record: Record, channel: Channel, descriptor: int) -> None:
    if channel == "stdin":
        if record.stdin is not None:
            record.stdin.adopt(_reopen(descriptor, os.O_WRONLY))
    elif channel == "results":
        if record.shell is not None:
            record.shell.adopt(_reopen(descriptor, os.O_RDONLY))
    elif record.pump is not None and channel in STREAMS:
        record.pump.adopt(channel, _reopen(descriptor, os.O_RDONLY))


def _reopen(descriptor: int, access: int) -> int:
    """A descriptor of our own for a pipe that the workspace passes.

    What it passes it shares with us, and could make it block. And a pipe of its own is none of ours: opening it fails, where
    the two have users of their own.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISFIFO(found.st_mode) or found.st_uid != os.geteuid():
        raise OSError(None, "what it passes is not the pipe that it was given")
    return reopened(descriptor, access)
