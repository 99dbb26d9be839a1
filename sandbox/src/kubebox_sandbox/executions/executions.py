"""What doors ask of executions. It only delegates: to starting, stopping, and the records."""

import asyncio
import logging
from pathlib import Path
from uuid import UUID

from anyio import to_thread

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import Kill, KillAllAnswer, KillAnswer, StartCommand, VerdictKind
from kubebox_sandbox.executions.budget import Budget
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.kept import Kept
from kubebox_sandbox.executions.record import Record
from kubebox_sandbox.executions.start import digest, plan, spawn
from kubebox_sandbox.executions.stop import TIMEOUT_GRACE_SECONDS, stop
from kubebox_sandbox.executions.verdict import verdict_of, workspace_restarted
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.settings import Settings
from kubebox_sandbox.tasks import Tasks
from kubebox_sandbox.workspace import Exited, Failed, Workspace

logger = logging.getLogger(__name__)

END_SECONDS = 5.0
"""Seconds to wait for the event of an end that the answer to a signal promises."""

SURVIVOR_SECONDS = 1.0
"""The same where a process could not be ended, which may be the very one."""

KILLS_AT_ONCE = 32
"""Executions that one kill-all ends at the same time: each makes init look at every process."""


class Executions:
    """The executions of a sandbox.

    Args:
        settings: For the limits and the profile.
        journals: Folder of the journals.
        tasks: Owns what runs in the background.
    """

    def __init__(self, settings: Settings, journals: Path, tasks: Tasks) -> None:
        self._profile = settings.profile
        self._journal_bytes = min(settings.journal_bytes, settings.output_bytes)
        self._budget = Budget(settings.output_bytes, self._make_room)
        self._journals = journals
        self._tasks = tasks
        self._kept = Kept(settings.max_executions, settings.kept_executions)
        self._workspace = Workspace(self._exited, self._lost)

    @property
    def workspace(self) -> Workspace:
        """Where they run."""
        return self._workspace

    async def start(self, session: Session, request: StartCommand) -> tuple[Record, bool]:
        """Start a command, at most once for each execution id.

        Returns:
            The record, and whether this request made it.

        Raises:
            Refused: It was not started, or another command has this id.
        """
        wanted = plan(request, session, self._profile)
        mark = digest(session, request)
        known = self._kept.find(request.execution_id)
        if known is not None:
            return await self._again(known, mark), False
        journal = Journal(self._journals / str(request.execution_id), self._journal_bytes, self._budget)
        record = Record(request.execution_id, session.session_id, request.mode, mark, journal)
        self._kept.reserve(record)
        try:
            await spawn(self._workspace, record, wanted, request.stdin)
        except BaseException:  # Cancellation too: the name must not stay taken by nothing.
            self._not_started(record)
            raise
        record.settled.set()
        if request.timeout is not None and record.verdict is None:
            loop = asyncio.get_running_loop()
            record.timer = loop.call_later(request.timeout, self._tasks.start, self._time_out, record)
        return record, True

    def get(self, session: Session, execution_id: UUID) -> Record:
        """The session's execution of this id.

        Raises:
            Refused: The session has none. That another session has it makes no difference.
        """
        record = self._kept.find(execution_id)
        if record is None or record.session_id != session.session_id:
            raise Refused(ErrorCode.EXECUTION_NOT_FOUND, "the session has no execution of that id")
        return record

    def of(self, session: Session) -> list[Record]:
        """The session's executions, oldest first."""
        return [record for record in self._kept.all() if record.session_id == session.session_id]

    async def kill(self, record: Record, request: Kill) -> KillAnswer:
        """End an execution and what it left."""
        survivors = await stop(self._workspace, record, "client", request.grace)
        record.tree_is_gone = survivors == 0
        await self._see_end(record, survivors)
        return KillAnswer(execution=record.view(), survivors=survivors)

    async def kill_all(self, session: Session) -> KillAllAnswer:
        """End every execution of a session, and what ended ones left."""
        records = [record for record in self.of(session) if not record.tree_is_gone]
        running = sum(record.verdict is None for record in records)
        places = asyncio.Semaphore(KILLS_AT_ONCE)

        async def kill_one(record: Record) -> int:
            async with places:
                return (await self.kill(record, Kill())).survivors

        # Each is tried, whatever becomes of the others; then the first failure, if any, is told.
        outcomes = await asyncio.gather(*map(kill_one, records), return_exceptions=True)
        survivors = 0
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            survivors += outcome
        return KillAllAnswer(killed=running, survivors=survivors)

    async def _again(self, known: Record, mark: bytes) -> Record:
        if known.digest != mark:
            raise Refused(ErrorCode.EXECUTION_CONFLICT, "another command was started under this execution id")
        await known.settled.wait()
        if self._kept.find(known.execution_id) is not known:
            raise Refused(
                ErrorCode.WORKSPACE_UNAVAILABLE, "the first request of this execution failed; try again"
            )
        return known

    def _not_started(self, record: Record) -> None:
        if record.verdict is not None and record.verdict.kind == VerdictKind.UNKNOWN:
            self._ended(record)
        else:
            self._kept.release(record)
        record.settled.set()

    async def _time_out(self, record: Record) -> None:
        try:
            survivors = await stop(self._workspace, record, "timeout", TIMEOUT_GRACE_SECONDS)
        except Refused as refused:
            logger.warning("%s could not be ended at its timeout: %s", record.execution_id, refused.message)
            return
        if survivors:
            logger.warning("%d processes of %s outlive its timeout", survivors, record.execution_id)

    async def _see_end(self, record: Record, survivors: int) -> None:
        # The event of the end may be a moment behind the answer to the signal, unless the first process
        # itself survives.
        try:
            async with asyncio.timeout(SURVIVOR_SECONDS if survivors else END_SECONDS):
                await record.ended.wait()
        except TimeoutError:
            logger.warning("%s was killed, but its end is not known", record.execution_id)

    def _exited(self, exited: Exited) -> None:
        record = self._find_by_text(exited.execution)
        if record is None or record.verdict is not None:
            return  # Of an execution that was given up, or said twice: there is nothing to believe in it.
        if record.pump is not None:
            record.pump.collect()
        record.finish(verdict_of(exited, record.cause))
        self._ended(record)

    def _lost(self) -> None:
        for record in self._kept.running():
            if not record.settled.is_set():
                continue  # Its start fails by itself.
            if record.pump is not None:
                record.pump.collect()
            record.finish(workspace_restarted())
            self._ended(record)

    def _ended(self, record: Record) -> None:
        for swept in self._kept.ended(record):
            self._dismiss(swept)

    def _make_room(self) -> bool:
        swept = self._kept.sweep()
        if swept is not None:
            self._dismiss(swept)
        return swept is not None

    def _dismiss(self, swept: Record) -> None:
        swept.journal.release()
        if swept.pump is not None:
            swept.pump.close()
        self._tasks.start(self._forget, swept)

    async def _forget(self, swept: Record) -> None:
        await to_thread.run_sync(swept.journal.delete)
        if self._workspace.connected:
            try:
                await self._workspace.request("forget", {"execution": str(swept.execution_id)})
            except (Refused, Failed) as error:
                logger.info("the workspace did not forget %s: %s", swept.execution_id, error)

    def _find_by_text(self, text: str) -> Record | None:
        try:
            return self._kept.find(UUID(text))
        except ValueError:
            return None
