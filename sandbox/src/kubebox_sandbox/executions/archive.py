"""The records of a sandbox, in memory and on its own disk: made, ended, swept, and found again after a restart."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import UUID

from kubebox_protocol.errors import Refused
from kubebox_sandbox.executions import written
from kubebox_sandbox.executions.budget import Budget
from kubebox_sandbox.executions.journal import Journal
from kubebox_sandbox.executions.kept import Kept
from kubebox_sandbox.executions.record import Beginning, Ending, Record
from kubebox_sandbox.ledger import Ledger
from kubebox_sandbox.settings import Settings

logger = logging.getLogger(__name__)


class Archive:
    """All records.

    Args:
        settings: For the limits, and the folder.
        ledger: What is written down of them.
        on_swept: Called with records that are kept no longer.
    """

    def __init__(self, settings: Settings, ledger: Ledger, on_swept: Callable[[list[Record]], None]) -> None:
        self._ledger = ledger
        self._on_swept = on_swept
        self._folder = settings.state / "journals"
        self._journal_bytes = min(settings.journal_bytes, settings.output_bytes)
        self._budget = Budget(settings.output_bytes, self._make_room)
        self._kept = Kept(settings.max_executions, settings.kept_executions, settings.kept_seconds)

    def load(self) -> list[tuple[Record, written.Known]]:
        """Find the records of an earlier server again. Blocks; comes before all else."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        ledgered = written.read(self._ledger.entries())
        files = _by_name(self._folder.iterdir())
        self._kept.remember(ledgered.used)
        found: list[tuple[Record, written.Known]] = []
        for execution_id, known in ledgered.known.items():
            record = Record(known.beginning, self._journal(known.beginning))
            record.journal.recover(files.pop(str(execution_id), []), known.end)
            record.settled.set()
            self._kept.restore(record)
            if known.ending is not None:
                record.finish(known.ending)
                self._kept.ended(record)
            found.append((record, known))
        for path in (path for paths in files.values() for path in paths):
            path.unlink(missing_ok=True)
        # As it was read: the records get their parts, of which some is known, only after this.
        known = {
            record.execution_id: known for record, known in found if self.find(record.execution_id) is record
        }
        self._rewrite(written.Ledgered(known, dict.fromkeys(self._kept.used)))
        return found

    def reserve(self, beginning: Beginning) -> Record:
        """A new record, whose name is taken from here on.

        Raises:
            Refused: The name was used before, too many run, or the disk takes no more.
        """
        record = Record(beginning, self._journal(beginning))
        self._kept.reserve(record)
        try:
            self._ledger.append(written.reserved(beginning))
        except Refused:
            self._kept.release(record)
            raise
        return record

    def release(self, record: Record) -> None:
        """It did not start: its name is free."""
        self._kept.release(record)
        self.write(written.released(record.execution_id))

    def end(self, record: Record, ending: Ending) -> None:
        """It has ended."""
        record.finish(ending)
        self.write(written.ended(record.execution_id, ending, record.journal.end))
        self._kept.ended(record)
        self._sweep(self._kept.too_many())

    def sweep(self) -> None:
        """Keep those no longer that are too many, or ended too long ago."""
        self._sweep([*self._kept.too_many(), *self._kept.too_old()])

    def write_first(self, entry: dict[str, object]) -> None:
        """Write down what is to happen.

        Raises:
            Refused: The disk does not take it, so it must not happen.
        """
        self._ledger.append(entry)

    def write(self, entry: dict[str, object]) -> None:
        """Write down what has happened already. Where the disk does not take it, a later server knows less."""
        try:
            self._ledger.append(entry)
        except Refused as refused:
            logger.error("what has happened could not be written down: %s", refused.message)
        if self._ledger.is_long:
            self._rewrite(self._all_known())

    def find(self, execution_id: UUID) -> Record | None:
        """The record of this id, if there is one."""
        return self._kept.find(execution_id)

    def all(self) -> list[Record]:
        """Every record, oldest first."""
        return self._kept.all()

    def running(self) -> list[Record]:
        """Every record of a command that runs or is about to."""
        return self._kept.running()

    def close(self) -> None:
        """Close what is written."""
        self._ledger.close()

    def _journal(self, beginning: Beginning) -> Journal:
        return Journal(
            self._folder, str(beginning.execution_id), self._journal_bytes, self._budget, beginning.clock
        )

    def _make_room(self) -> bool:
        swept = self._kept.sweep()
        if swept is not None:
            self._sweep([swept])
        return swept is not None

    def _sweep(self, records: list[Record]) -> None:
        if not records:
            return
        self.write(written.swept(record.execution_id for record in records))
        for record in records:
            record.journal.release()
            record.abandon()
        self._on_swept(records)

    def _rewrite(self, ledgered: written.Ledgered) -> None:
        try:
            self._ledger.rewrite(written.entries(ledgered))
        except OSError as error:
            logger.error("the ledger could not be written anew: %s", error.strerror)

    def _all_known(self) -> written.Ledgered:
        known = {record.execution_id: written.known_of(record) for record in self._kept.all()}
        return written.Ledgered(known, dict.fromkeys(self._kept.used))


def _by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        found[path.name.partition(".")[0]].append(path)
    return found
