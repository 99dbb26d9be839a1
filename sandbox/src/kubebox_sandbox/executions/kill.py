"""Killing what a client wants ended, and seeing that it is."""

import asyncio
import logging

from kubebox_protocol.steering import Kill, KillAllAnswer, KillAnswer
from kubebox_sandbox.executions.record import Record
from kubebox_sandbox.executions.stop import stop
from kubebox_sandbox.workspace import Workspace

logger = logging.getLogger(__name__)

END_SECONDS = 5.0
"""Seconds to wait for the event of an end that the answer to a signal promises."""

SURVIVOR_SECONDS = 1.0
"""The same where a process could not be ended, which may be the very one."""

KILLS_AT_ONCE = 32
"""Executions that one kill-all ends at the same time: each makes init look at every process."""


async def kill(workspace: Workspace, record: Record, request: Kill) -> KillAnswer:
    """End an execution and what it left."""
    survivors = await stop(workspace, record, "client", request.grace)
    record.tree_is_gone = survivors == 0
    await _see_end(record, survivors)
    return KillAnswer(execution=record.view(), survivors=survivors)


async def kill_all(workspace: Workspace, records: list[Record]) -> KillAllAnswer:
    """End all of them, and what ended ones left."""
    left = [record for record in records if not record.tree_is_gone]
    running = sum(record.ending is None for record in left)
    places = asyncio.Semaphore(KILLS_AT_ONCE)

    async def kill_one(record: Record) -> int:
        async with places:
            return (await kill(workspace, record, Kill())).survivors

    # Each is tried, whatever becomes of the others; then the first failure, if any, is told.
    outcomes = await asyncio.gather(*map(kill_one, left), return_exceptions=True)
    survivors = 0
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        survivors += outcome
    return KillAllAnswer(killed=running, survivors=survivors)


async def _see_end(record: Record, survivors: int) -> None:
    # The event of the end may be a moment behind the answer to the signal, unless the first process
    # itself survives.
    if not await record.ends_within(SURVIVOR_SECONDS if survivors else END_SECONDS):
        logger.warning("%s was killed, but its end is not known", record.execution_id)
