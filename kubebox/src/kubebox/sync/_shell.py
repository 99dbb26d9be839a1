"""`kubebox._shell` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from typing import Self

from kubebox._results import CommandResult
from kubebox._running import KILL_GRACE_SECONDS
from kubebox._shell import Shell as AsyncShell
from kubebox._signals import Scope
from kubebox.sync._wrapper import Wrapper
from kubebox_protocol.executions import Execution
from kubebox_protocol.verdicts import Verdict


class Shell(Wrapper[AsyncShell]):
    """A shell (bash, or sh where there is none) that runs one command after the other.

    Folder, variables, functions and background jobs stay. Commands have an empty standard input; what they write is theirs until
    the next one begins, that of background jobs too. `with` ends the shell, and all that it started.

    Attributes:
        process_id: Its id, which `get_shell()` of any client takes.
    """

    @property
    def process_id(self) -> str:
        """Its id, which `get_shell()` of any client takes."""
        return self._inner.process_id

    def status(self) -> Execution:
        """Its record: whether it runs, how it ended, how much it wrote."""
        return self._share.call(self._inner.status())

    def signal(self, signal: str, *, scope: Scope = "tree") -> int:
        """Send it a signal, and say how many processes it went to, as `SandboxClient.send_signal` does."""
        return self._share.call(self._inner.signal(signal, scope=scope))

    def kill(self, *, grace: float = KILL_GRACE_SECONDS) -> Verdict:
        """End it and all that it started: SIGTERM, and SIGKILL after the grace, in seconds."""
        return self._share.call(self._inner.kill(grace=grace))

    def run(self, command: str, *, timeout: float | None = None) -> CommandResult:
        """Run a command, when those before it have ended.

        A command that ends the shell (`exit 3`, `exec`, a failure after `set -e`) gives its result too; only the next one finds
        no shell. What is no command, as an open quote, gives code 2, and the shell goes on; but an open `$(` is more than many a
        bash survives. Functions and aliases may have any name; but a shell that takes no more commands, as after `set -n`, is
        ended, and `verdict` says so. Whoever stops waiting ends the command, and the shell goes on, as at a timeout.

        Args:
            command: One or more lines.
            timeout: Seconds until all that the shell has started is ended, its background jobs too; and the shell itself where
                that does not help, as with a loop that starts nothing. `verdict` says `timed-out` then.

        Returns:
            Its output, and the code that the shell gave it: 128 + N where signal N ended it. `check()` makes a failure an
            error.

        Raises:
            ExecutionEnded: The shell has ended.
            CommandEmpty: There is nothing to run.
            ShellBusy: Another client runs a command in it.
            ConnectionLost: The connection was lost, and did not come back. The command may go on, and the next call waits
                for its end.
            ExecutionUnknown: The server started anew just then. How it ended, or whether it was run, cannot be known; the shell
                goes on.
            SandboxLost: The workspace went while it ran.
        """
        return self._share.call(self._inner.run(command, timeout=timeout))

    def close(self, *, grace: float = KILL_GRACE_SECONDS) -> None:
        """End it, and all that it started. Again does nothing.

        Args:
            grace: Seconds between SIGTERM and SIGKILL.
        """
        self._share.call(self._inner.close(grace=grace))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
