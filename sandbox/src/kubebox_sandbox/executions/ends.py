"""What ends executions, and what is told of it: the workspace's word, deadlines, leases, and the loss of the workspace."""

import asyncio
import logging
from functools import partial
from uuid import UUID

from anyio import to_thread

from kubebox_protocol.errors import Refused
from kubebox_protocol.verdicts import Verdict
from kubebox_sandbox.executions.archive import Archive
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.record import Ending, Record
from kubebox_sandbox.executions.stop import LEASE_GRACE_SECONDS, TIMEOUT_GRACE_SECONDS, stop
from kubebox_sandbox.executions.verdict import Cause, MemoryKills, Shortage, verdict_of, workspace_restarted
from kubebox_sandbox.tasks import Tasks
from kubebox_sandbox.workspace import Exited, Failed, Workspace

logger = logging.getLogger(__name__)

MICROSECONDS = 1_000_000
KIBIBYTE = 1024


class Ends:
    """Ends executions, and takes note of their ends.

    Args:
        archive: Their records.
        tasks: Owns what runs in the background.
        memory: Tells which ends were the kernel's doing.
    """

    def __init__(self, archive: Archive, tasks: Tasks, memory: MemoryKills) -> None:
        self._archive = archive
        self._tasks = tasks
        self._memory = memory
        self._shortage: Shortage | None = None

    def watch_over(self, record: Record, workspace: Workspace) -> None:
        """Have it ended at its timeout, and at the end of its lease; anew, where the line was down when they came."""
        if record.ending is not None:
            return
        timeout = record.beginning.timeout
        if record.deadline is not None:
            record.deadline.cancel()
        if timeout is not None:
            left = max(0.0, timeout - record.runs_for())
            record.deadline = asyncio.get_running_loop().call_later(
                left, self._begin_end, workspace, record, "timeout", TIMEOUT_GRACE_SECONDS
            )
        if record.beginning.lease is not None:
            record.on_idle(partial(self._begin_end, workspace, record, "lease", LEASE_GRACE_SECONDS))

    def exited(self, exited: Exited) -> None:
        """The workspace says that an execution has ended."""
        record = self._find(exited.execution)
        if record is None or record.ending is not None:
            return  # Of an execution that was given up, or said twice: there is nothing to believe in it.
        if record.pump is None or not record.is_connected:
            record.early_end = (
                exited  # Its pipes come after a restart of the server, and hold what it wrote last.
            )
            return
        self.finish(record, exited)

    def finish(self, record: Record, exited: Exited) -> None:
        """Take note of an end, with all that was output before."""
        if record.pump is not None:
            record.pump.collect()
        verdict = verdict_of(exited, record.cause, self._memory.claim(exited))
        cpu = (exited.user_us + exited.system_us) / MICROSECONDS
        self._archive.end(record, Ending(verdict, record.runs_for(), cpu, exited.max_rss_kib * KIBIBYTE))

    def give_up(self, record: Record, verdict: Verdict) -> None:
        """It can be known no further."""
        if record.ending is None:
            if record.pump is not None:
                record.pump.collect()
            self._archive.end(record, Ending(verdict, record.runs_for()))

    def workspace_lost(self) -> None:
        """The line is broken. If the workspace is gone, the kernel will soon say nothing any more of its memory."""
        self._shortage = self._memory.unclaimed()

    def workspace_gone(self) -> None:
        """Everything that ran is gone."""
        for record in self._archive.running():
            if record.settled.is_set():  # The start of any other fails by itself.
                self.give_up(record, workspace_restarted(self._shortage))

    def _begin_end(self, workspace: Workspace, record: Record, cause: Cause, grace: float) -> None:
        self._tasks.start(self._end, workspace, record, cause, grace)

    async def _end(self, workspace: Workspace, record: Record, cause: Cause, grace: float) -> None:
        try:
            survivors = await stop(workspace, record, cause, grace)
        except Refused as refused:
            logger.warning("%s could not be ended by its %s: %s", record.execution_id, cause, refused.message)
            return
        if survivors:
            logger.warning("%d processes of %s outlive its %s", survivors, record.execution_id, cause)

    def _find(self, text: str) -> Record | None:
        try:
            return self._archive.find(UUID(text))
        except ValueError:
            return None


async def forget(workspace: Workspace, records: list[Record]) -> None:
    """Nothing of them is kept any longer, here or there."""
    journals = [record.journal for record in records if record.journal.has_files]
    if journals:
        await to_thread.run_sync(_delete, journals)
    for record in records:
        if workspace.connected:
            try:
                await workspace.request("forget", {"execution": str(record.execution_id)})
            except (Refused, Failed) as error:
                logger.info("the workspace did not forget %s: %s", record.execution_id, error)


def _delete(journals: list[Journal]) -> None:
    for journal in journals:
        try:
            journal.delete()
        except OSError as error:
            logger.error("output that is kept no longer could not be deleted: %s", error.strerror)
