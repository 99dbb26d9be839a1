"""All records: those that run, and those that have ended, as many as may be kept."""

from collections import OrderedDict
from uuid import UUID

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.executions.pump import Pump
from kubebox_sandbox.executions.record import Record

MAX_REMEMBERED_IDS = 100_000
"""Ids of swept executions that are still known as used, in about 15 MB: a late repetition must not run a
command again."""

MAX_LEFTOVERS = 256
"""Ended executions whose leftovers still hold pipes. Beyond, the oldest's are closed."""


class Kept:
    """The records of a sandbox.

    Args:
        max_running: Executions that run at once.
        max_ended: Ended ones that are kept.
        max_ended_bytes: Bytes on disk of their output.
    """

    def __init__(self, max_running: int, max_ended: int, max_ended_bytes: int) -> None:
        self._max_running = max_running
        self._max_ended = max_ended
        self._max_ended_bytes = max_ended_bytes
        self._records: dict[UUID, Record] = {}
        self._ended: OrderedDict[UUID, tuple[Record, int]] = OrderedDict()
        self._ended_bytes = 0
        self._leftovers: OrderedDict[UUID, Pump] = OrderedDict()
        self._swept: OrderedDict[UUID, None] = OrderedDict()

    def find(self, execution_id: UUID) -> Record | None:
        """The record of this id, if there is one."""
        return self._records.get(execution_id)

    def all(self) -> list[Record]:
        """Every record, oldest first."""
        return list(self._records.values())

    def running(self) -> list[Record]:
        """Every record of a command that runs or is about to."""
        return [record for record in self._records.values() if record.execution_id not in self._ended]

    def reserve(self, record: Record) -> None:
        """Take the record's id.

        Raises:
            Refused: It was used before, or too many run.
        """
        if record.execution_id in self._swept:
            raise Refused(
                ErrorCode.EXECUTION_CONFLICT, "this execution has run before; its record is no longer held"
            )
        if len(self._records) - len(self._ended) >= self._max_running:
            raise Refused(
                ErrorCode.TOO_MANY_EXECUTIONS,
                f"{self._max_running} commands run already; wait for one to end",
                limit=self._max_running,
            )
        self._records[record.execution_id] = record

    def release(self, record: Record) -> None:
        """Give the id back: the command did not start."""
        self._records.pop(record.execution_id, None)

    def ended(self, record: Record) -> list[Record]:
        """Note that it has ended.

        Returns:
            Records that are not kept any longer.
        """
        if self._records.get(record.execution_id) is not record:
            return []
        # Leftovers may add to the journal later; their bound is small, so the size at the end is near enough.
        self._ended[record.execution_id] = (record, record.journal.size)
        self._ended_bytes += record.journal.size
        if record.pump is not None and record.pump.open:
            self._leftovers[record.execution_id] = record.pump
            self._limit_leftovers()
        return self._sweep()

    def _sweep(self) -> list[Record]:
        swept: list[Record] = []
        passed: list[UUID] = []
        while len(self._ended) > self._max_ended or self._ended_bytes > self._max_ended_bytes:
            if len(passed) == len(self._ended):
                break
            execution_id = next(iter(self._ended))
            if self._ended[execution_id][0].attachments:
                # Somebody is reading it, so another goes; the number of readers is bounded elsewhere.
                passed.append(execution_id)
                self._ended.move_to_end(execution_id)
                continue
            swept.append(self._forget(execution_id))
        for execution_id in reversed(passed):
            self._ended.move_to_end(execution_id, last=False)
        return swept

    def _forget(self, execution_id: UUID) -> Record:
        record, size = self._ended.pop(execution_id)
        self._ended_bytes -= size
        del self._records[execution_id]
        self._leftovers.pop(execution_id, None)
        self._swept[execution_id] = None
        if len(self._swept) > MAX_REMEMBERED_IDS:
            self._swept.popitem(last=False)
        return record

    def _limit_leftovers(self) -> None:
        if len(self._leftovers) <= MAX_LEFTOVERS:
            return
        for execution_id, pump in list(self._leftovers.items()):
            if not pump.open:
                del self._leftovers[execution_id]
        while len(self._leftovers) > MAX_LEFTOVERS:
            _, oldest = self._leftovers.popitem(last=False)
            oldest.close()
