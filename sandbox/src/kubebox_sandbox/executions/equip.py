"""What a record needs to run: the pump of its output, its standard input, its shell."""

import logging
from functools import partial

from kubebox_protocol.errors import Refused
from kubebox_sandbox.executions import written
from kubebox_sandbox.executions.archive import Archive
from kubebox_sandbox.executions.pump import Pump
from kubebox_sandbox.executions.record import Channel, Record
from kubebox_sandbox.executions.shell import Shell
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.watch import Watch
from kubebox_sandbox.tasks import Tasks
from kubebox_sandbox.workspace import Failed, Workspace

logger = logging.getLogger(__name__)


class Equipment:
    """Equips records.

    Args:
        workspace: Keeps our ends of the pipes for a later server.
        archive: Writes down what that has to know.
        tasks: Owns what runs in the background.
    """

    def __init__(self, workspace: Workspace, archive: Archive, tasks: Tasks) -> None:
        self._workspace = workspace
        self._archive = archive
        self._tasks = tasks
        self._watch = Watch()

    def equip(self, record: Record) -> None:
        """Give a record its parts, which are not open yet."""
        record.pump = pump = Pump(self._watch, record.journal, record.floor, record.wake)
        if "stdin" in record.beginning.channels:
            record.stdin = StandardInput(
                self._watch, partial(self._closed, record), partial(self._given, record)
            )
        if record.beginning.kind == "shell" and record.stdin is not None:
            record.shell = Shell(self._watch, record.stdin, pump.gather, partial(self._shell_ran, record))

    def restore(self, record: Record, known: written.Known) -> None:
        """Give a record of an earlier server its parts; its pipes come from the workspace."""
        self.equip(record)
        if record.stdin is not None:
            record.stdin.offset, record.stdin.is_unsure = known.input, known.input_is_unsure
            record.stdin.is_closed = known.input_is_closed or record.ending is not None
        if record.shell is not None and known.shell is not None:
            record.shell.recall(*known.shell, known.result, known.before)

    def release_again(self, record: Record) -> None:
        """Have the workspace let go of a standard input that was closed while the line was down. Again does nothing."""
        if record.stdin is not None and record.stdin.is_closed:
            self._release(record, "stdin")

    def close(self) -> None:
        """Watch over nothing any more."""
        self._watch.close()

    def _given(self, record: Record, offset: int, is_all: bool) -> None:
        if record.shell is None:  # Which notes its commands, and is given nothing else.
            self._archive.write(written.given(record.execution_id, offset, is_all))

    def _closed(self, record: Record) -> None:
        if record.ending is None:
            self._archive.write(written.closed(record.execution_id))
            self._release(record, "stdin")

    def _shell_ran(self, record: Record, shell: Shell) -> None:
        entry = written.shell_ran(record.execution_id, shell.number, shell.begins, shell.result)
        if shell.result is None:
            self._archive.write_first(entry)
        else:
            self._archive.write(entry)

    def _release(self, record: Record, channel: Channel) -> None:
        # The command sees the end of file only when nobody holds the other end any more.
        if channel in record.beginning.channels and record.ending is None:
            self._tasks.start(self._let_go, record, record.beginning.channels.index(channel))

    async def _let_go(self, record: Record, index: int) -> None:
        fields = {"execution": str(record.execution_id), "index": index}
        try:
            await record.settled.wait()
            if self._workspace.connected:
                await self._workspace.request("release", fields)
        except (Refused, Failed) as error:
            logger.info("the workspace did not let go of a pipe of %s: %s", record.execution_id, error)
