"""Processes that outlive the command that started them: each has a file that says which one it is."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testcluster import cgroups
from testcluster.errors import NotReady

TERM_SECONDS: Final = 2.0
"""How long a process may take to end when it is asked to. The API server takes a minute, until the last watch is over; what it
knows is in etcd, so nothing is lost when it is killed."""

KILL_SECONDS: Final = 5.0
"""How long the kernel may take to end one."""

# The process joins the group before it becomes what it will be, so that no child of it can be outside.
JOIN: Final = 'echo $$ >"$0" && exec "$@"'


@dataclass(frozen=True)
class Processes:
    """The processes of one cluster.

    Args:
        folder: Where the files are.
        logs: Where what they say goes.
        group: The name of the cluster's control groups.
    """

    folder: Path
    logs: Path
    group: str

    def start(self, name: str, command: Sequence[str], *, stdout: int | None = None) -> int:
        """Start a process.

        Args:
            name: For its files.
            command: The program and its arguments.
            stdout: A descriptor for its standard output, which goes to its log otherwise.

        Returns:
            Its id.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        joining = ["sh", "-c", JOIN, str(cgroups.components(self.group) / cgroups.PROCESSES), *command]
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                joining,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
            )
        # A process id comes back some day, the moment of its start does not.
        self._file(name).write_text(f"{process.pid} {_started(process.pid)}", encoding="ascii")
        process.returncode = 0  # nobody here waits for it, and subprocess shall not complain
        return process.pid

    def pid(self, name: str) -> int | None:
        """The id of a process, while it runs."""
        try:
            pid, started = self._file(name).read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _started(int(pid)) == started else None

    def stop(self, name: str) -> None:
        """End a process: it is asked, then killed.

        Raises:
            NotReady: It does not die.
        """
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                _end(name, pid)
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / name


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's words; nothing where it has ended, reaped or not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _end(name: str, pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        for how, patience in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            signal.pidfd_send_signal(descriptor, how)
            ended, _, _ = select.select([descriptor], [], [], patience)
            if ended:
                return
    finally:
        os.close(descriptor)
    raise NotReady(f"{name} (process {pid}) does not die")
