"""All records: those that run, and those that have ended, as many as may be kept."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.executions.pump import Pump
from kubebox_sandbox.executions.record import Record

MAX_REMEMBERED_IDS = 100_000
"""Ids of swept executions that are still known as used, in about 15 MB: a late repetition must not run a
command again."""

MAX_LEFTOVERS = 256
"""Ended executions whose leftovers still hold pipes. Beyond, the oldest's are closed."""

SWEPT_PART = 16
"""What part of those that have ended is swept at once when they are too many: one by one, each costs a quick command's time."""


class Kept:
    """The records of a sandbox.

    Args:
        max_running: Executions that run at once.
        max_ended: Ended ones that are kept.
        max_age: Seconds that they are kept.
    """

    def __init__(self, max_running: int, max_ended: int, max_age: float) -> None:
        self._max_running = max_running
        self._max_ended = max_ended
        self._max_age = max_age
        self._records: dict[UUID, Record] = {}
        self._ended: OrderedDict[UUID, Record] = OrderedDict()
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

    def restore(self, record: Record) -> None:
        """Take up a record of an earlier server."""
        self._records[record.execution_id] = record

    def remember(self, ids: Iterable[UUID]) -> None:
        """These ids were used before."""
        self._swept.update(dict.fromkeys(ids))

    @property
    def used(self) -> Iterable[UUID]:
        """Ids of records that are not kept any longer."""
        return self._swept

    def release(self, record: Record) -> None:
        """Give the id back: the command did not start."""
        for among in (self._records, self._ended, self._leftovers):  # An end may have been told all the same.
            among.pop(record.execution_id, None)

    def ended(self, record: Record) -> None:
        """Note that it has ended."""
        if self._records.get(record.execution_id) is not record:
            return
        self._ended[record.execution_id] = record
        if record.pump is not None and record.pump.is_open:
            self._leftovers[record.execution_id] = record.pump
            self._limit_leftovers()

    def too_many(self) -> list[Record]:
        """Keep some of the oldest no longer, where more have ended than are kept, and give them."""
        swept: list[Record] = []
        if len(self._ended) > self._max_ended:
            wanted = self._max_ended - self._max_ended // SWEPT_PART
            while len(self._ended) > wanted and (oldest := self.sweep()) is not None:
                swept.append(oldest)
        return swept

    def too_old(self) -> list[Record]:
        """Keep those no longer that ended too long ago, and give them."""
        before = time.monotonic() - self._max_age
        old = [one for one in self._ended.values() if one.ended_at < before and not one.attachments]
        for record in old:
            self._forget(record.execution_id)
        return old

    def sweep(self) -> Record | None:
        """Keep the oldest of those that have ended no longer; none where all of them are being read."""
        # The number of readers is bounded elsewhere.
        record = next((record for record in self._ended.values() if not record.attachments), None)
        if record is not None:
            self._forget(record.execution_id)
        return record

    def _forget(self, execution_id: UUID) -> None:
        del self._ended[execution_id]
        del self._records[execution_id]
        self._leftovers.pop(execution_id, None)
        self._swept[execution_id] = None
        if len(self._swept) > MAX_REMEMBERED_IDS:
            self._swept.popitem(last=False)

    def _limit_leftovers(self) -> None:
        if len(self._leftovers) <= MAX_LEFTOVERS:
            return
        for execution_id, pump in list(self._leftovers.items()):
            if not pump.is_open:
                del self._leftovers[execution_id]
        while len(self._leftovers) > MAX_LEFTOVERS:
            _, oldest = self._leftovers.popitem(last=False)
            oldest.close()
