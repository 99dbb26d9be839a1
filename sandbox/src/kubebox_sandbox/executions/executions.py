"""What doors ask of executions. It only delegates: to starting, ending, and the records."""

import asyncio
import logging
from uuid import UUID

from anyio import to_thread

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import StartCommand, TerminalSize
from kubebox_protocol.shells import ShellCommand, ShellResult
from kubebox_protocol.steering import Input, Kill, KillAllAnswer, KillAnswer, Signal
from kubebox_sandbox.canary import Canary
from kubebox_sandbox.executions import kill, steer, takeover
from kubebox_sandbox.executions.archive import Archive
from kubebox_sandbox.executions.ends import Ends, forget
from kubebox_sandbox.executions.equip import Equipment
from kubebox_sandbox.executions.plan import beginning, plan
from kubebox_sandbox.executions.record import Beginning, Record
from kubebox_sandbox.executions.start import NotKnown, spawn
from kubebox_sandbox.executions.verdict import server_restarted, unknown
from kubebox_sandbox.executions.witness import MemoryWitness
from kubebox_sandbox.ledger import Ledger
from kubebox_sandbox.memory import MemoryWatch
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.settings import Settings
from kubebox_sandbox.tasks import Tasks
from kubebox_sandbox.workspace import Failed, Workspace

logger = logging.getLogger(__name__)


SWEEP_SECONDS = 60.0
"""Seconds between two looks at what is too old to be kept; fewer, where things are kept for less."""


class Executions:
    """The executions of a sandbox.

    Args:
        settings: For the limits, the profile and the folder.
        ledger: What is written down of them.
        tasks: Owns what runs in the background.
        canary: Says whether any may start.
    """

    def __init__(self, settings: Settings, ledger: Ledger, tasks: Tasks, canary: Canary) -> None:
        self._canary = canary
        self._profile = settings.profile
        self._kept_seconds = settings.kept_seconds
        self._tasks = tasks
        self._archive = Archive(settings, ledger, self._swept)
        self._witness = MemoryWitness(MemoryWatch(settings.memory_cgroup))
        self._ends = Ends(self._archive, tasks, self._witness.kills)
        self._workspace = Workspace(
            settings.state,
            self._ends.exited,
            self._ends.workspace_lost,
            self._ends.workspace_gone,
            self._is_there,
            settings.return_seconds,
        )
        self._equipment = Equipment(self._workspace, self._archive, tasks)

    @property
    def workspace(self) -> Workspace:
        """Where they run."""
        return self._workspace

    async def load(self) -> None:
        """Find those of an earlier server again."""
        for record, known in await to_thread.run_sync(self._archive.load):
            # Its deadline comes with its pipes: it may have ended in time.
            self._equipment.restore(record, known)
        self._workspace.wait()
        self._archive.sweep()

    async def keep_sweeping(self) -> None:
        """Sweep what is too old, for as long as the server lives."""
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self._kept_seconds))
            self._archive.sweep()

    def close(self) -> None:
        """Leave everything as it is, for a later server."""
        for record in self._archive.all():
            record.abandon()
        self._equipment.close()
        self._witness.close()
        self._archive.close()

    async def start(self, session: Session, request: StartCommand) -> tuple[Record, bool]:
        """Start a command, at most once for each execution id.

        Returns:
            The record, and whether this request made it.

        Raises:
            Refused: It was not started, or another command has this id.
        """
        wanted = plan(request, session, self._profile)
        begun = beginning(request, session)
        if self._archive.find(begun.execution_id) is None:
            await self._canary.holds()
        known = self._archive.find(begun.execution_id)
        if known is not None:
            return await self._again(known, begun), False
        record = self._archive.reserve(begun)
        self._equipment.equip(record)
        try:
            await spawn(self._workspace, record, wanted)
        except NotKnown as error:  # It may run, so its name stays taken and says so.
            self._ends.give_up(record, unknown("The workspace did not say whether it started."))
            record.abandon()
            # Once the workspace is back it says what runs, and what nobody goes on with is ended.
            self._workspace.hang_up("it did not say whether a command started")
            raise error.why from None
        except Refused:
            self._archive.release(record)
            record.abandon()
            raise
        finally:  # Also where the server ends: a later one asks the workspace whether it runs.
            record.settled.set()
        self._ends.watch_over(record, self._workspace)
        await steer.begin(record, request.command)
        return record, True

    def get(self, session: Session, execution_id: UUID) -> Record:
        """The session's execution of this id.

        Raises:
            Refused: The session has none. That another session has it makes no difference.
        """
        record = self._archive.find(execution_id)
        if record is None or record.beginning.session_id != session.session_id:
            raise Refused(ErrorCode.EXECUTION_NOT_FOUND, "the session has no execution of that id")
        return record

    def of(self, session: Session) -> list[Record]:
        """The session's executions, oldest first."""
        return [record for record in self._archive.all() if record.beginning.session_id == session.session_id]

    def page(self, session: Session, after: UUID | None, limit: int) -> tuple[list[Record], UUID | None]:
        """Some of the session's executions, oldest first, and what to ask for the next with.

        Args:
            session: Whose.
            after: The last one of the page before.
            limit: How many at most.

        Raises:
            Refused: The one before is not known any more.
        """
        records = self.of(session)
        first = 0 if after is None else records.index(self.get(session, after)) + 1
        page = records[first : first + limit]
        return page, page[-1].execution_id if first + limit < len(records) else None

    async def kill(self, record: Record, request: Kill) -> KillAnswer:
        """End an execution and what it left."""
        return await kill.kill(self._workspace, record, request)

    async def kill_all(self, session: Session) -> KillAllAnswer:
        """End every execution of a session, and what ended ones left."""
        return await kill.kill_all(self._workspace, self.of(session))

    async def signal(self, record: Record, request: Signal) -> int:
        """Send a signal, and say how many processes it went to."""
        return await steer.signal(self._workspace, record, request)

    async def resize(self, record: Record, size: TerminalSize) -> None:
        """Give a terminal another size."""
        await steer.resize(self._workspace, record, size)

    async def give(self, record: Record, writer: object, request: Input) -> int:
        """Give more standard input, and say how much that makes."""
        return await steer.give(record, writer, request)

    async def run_in_shell(self, record: Record, request: ShellCommand) -> ShellResult:
        """Run a command in a shell, and wait for its end."""
        return await steer.run_in_shell(self._workspace, record, request)

    async def _again(self, known: Record, begun: Beginning) -> Record:
        if known.beginning.digest != begun.digest:
            raise Refused(ErrorCode.EXECUTION_CONFLICT, "another command was started under this execution id")
        await known.settled.wait()
        if self._archive.find(known.execution_id) is not known:
            raise Refused(
                ErrorCode.WORKSPACE_UNAVAILABLE, "the first request of this execution failed; try again"
            )
        return known

    def _is_there(self, again: bool) -> None:
        self._tasks.start(self._witness.hear, self._workspace, again)
        if again:
            self._tasks.start(
                self._go_on, [record for record in self._archive.running() if record.settled.is_set()]
            )

    async def _go_on(self, records: list[Record]) -> None:
        try:
            there = await takeover.runs(self._workspace)
            for record in records:
                if there.pop(str(record.execution_id), None) is None:
                    self._ends.give_up(record, unknown("It was to start when the server started anew."))
                else:
                    await self._go_on_with(record)
            for execution in there:
                if self._is_stranger(execution):
                    await takeover.end_stranger(self._workspace, execution)
        except (Refused, Failed) as error:  # It is lost again. Once it is back, this begins anew.
            logger.warning("what ran before could not be gone on with: %s", error)

    async def _go_on_with(self, record: Record) -> None:
        try:
            if record.is_connected:
                self._equipment.release_again(record)
            else:
                await self._adopt(record)
        except (Refused, OSError) as error:
            # Of one alone; if the line is lost, this begins anew when it is back.
            logger.warning("%s could not be gone on with: %s", record.execution_id, error)
        self._ends.watch_over(record, self._workspace)

    async def _adopt(self, record: Record) -> None:
        try:
            await takeover.adopt(self._workspace, record)
        except takeover.NotHandedBack as error:
            self._ends.give_up(record, server_restarted(str(error)))
            return
        if record.early_end is not None:
            self._ends.finish(record, record.early_end)

    def _is_stranger(self, execution: str) -> bool:
        try:
            record = self._archive.find(UUID(execution))
        except ValueError:
            return True
        # An ended one's leftovers may live on, but for one of which nobody knows whether it started.
        return record is None or (record.ending is not None and not record.is_connected)

    def _swept(self, records: list[Record]) -> None:
        self._tasks.start(forget, self._workspace, records)
