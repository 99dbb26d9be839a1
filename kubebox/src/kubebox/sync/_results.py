"""`kubebox._results` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from collections.abc import Generator
from typing import Self

from kubebox._results import BackgroundProcess as AsyncBackgroundProcess
from kubebox._results import CommandOutput
from kubebox._results import CommandStream as AsyncCommandStream
from kubebox._running import KILL_GRACE_SECONDS
from kubebox._signals import Scope
from kubebox.sync._wrapper import Wrapper
from kubebox_protocol.executions import Execution
from kubebox_protocol.verdicts import Verdict


class CommandStream(Wrapper[AsyncCommandStream]):
    """A command's output as it comes: `for output in stream`.

    Leaving the loop, or `close()`, detaches. The command goes on; another loop goes on where this one left.

    Attributes:
        process_id: The command's id.
        dropped_bytes: Bytes that the sandbox no longer held when they were due; the offsets tell where.
    """

    @property
    def process_id(self) -> str:
        """The command's id."""
        return self._inner.process_id

    @property
    def dropped_bytes(self) -> int:
        """Bytes that the sandbox no longer held when they were due; the offsets tell where."""
        return self._inner.dropped_bytes

    def status(self) -> Execution:
        """Its record: whether it runs, how it ended, how much it wrote."""
        return self._share.call(self._inner.status())

    def signal(self, signal: str, *, scope: Scope = "tree") -> int:
        """Send it a signal, and say how many processes it went to, as `SandboxClient.send_signal` does."""
        return self._share.call(self._inner.signal(signal, scope=scope))

    def kill(self, *, grace: float = KILL_GRACE_SECONDS) -> Verdict:
        """End it and all that it started: SIGTERM, and SIGKILL after the grace, in seconds."""
        return self._share.call(self._inner.kill(grace=grace))

    def write(self, data: bytes | str, *, take: bool = False) -> None:
        """Give more standard input, and wait until the command's pipe has taken it. Calls queue up.

        A command that does not read holds the writer back. Whoever stops waiting may have given a part;
        `status()` says how much in `stdin_offset`, and the next call goes on there.

        Args:
            data: Bytes, or text, which goes as UTF-8.
            take: Take over from another client that writes; else there is one.

        Raises:
            InputClosed: It takes no more: it has ended, does not read any longer, or never had an input that stays open.
            InputConflict: Another client writes.
        """
        self._share.call(self._inner.write(data, take=take))

    def close_stdin(self) -> None:
        """Let it see the end of its input, after all that was written. Again does nothing.

        Raises:
            InputClosed: It never had an input that stays open.
            InputConflict: Another client writes.
        """
        self._share.call(self._inner.close_stdin())

    @property
    def exit_code(self) -> int | None:
        """The exit code, -N where signal N ended the command; `None` until the stream has ended."""
        return self._inner.exit_code

    @property
    def verdict(self) -> Verdict | None:
        """How the command ended; `None` until the stream has ended."""
        return self._inner.verdict

    def __iter__(self) -> Generator[CommandOutput]:
        return self._share.iterate(self._inner)

    def close(self) -> None:
        """Leave the output; the command goes on."""
        self._share.call(self._inner.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> Self:
        """Raise unless the command exited with code 0. The error's result has no output: the stream gave it.

        Raises:
            CommandTimeout: It was ended at its deadline.
            CommandFailed: It ended in another way than with exit code 0.
            InvalidArgument: The stream has not ended yet.
        """
        self._inner.check()
        return self


class BackgroundProcess(Wrapper[AsyncBackgroundProcess]):
    """A command that goes on by itself, whatever becomes of this object.

    Attributes:
        process_id: Its id, which `attach()`, `check_status()` and `kill_command()` of any client take.
    """

    @property
    def process_id(self) -> str:
        """Its id, which `attach()`, `check_status()` and `kill_command()` of any client take."""
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

    def write(self, data: bytes | str, *, take: bool = False) -> None:
        """Give more standard input, and wait until the command's pipe has taken it. Calls queue up.

        A command that does not read holds the writer back. Whoever stops waiting may have given a part;
        `status()` says how much in `stdin_offset`, and the next call goes on there.

        Args:
            data: Bytes, or text, which goes as UTF-8.
            take: Take over from another client that writes; else there is one.

        Raises:
            InputClosed: It takes no more: it has ended, does not read any longer, or never had an input that stays open.
            InputConflict: Another client writes.
        """
        self._share.call(self._inner.write(data, take=take))

    def close_stdin(self) -> None:
        """Let it see the end of its input, after all that was written. Again does nothing.

        Raises:
            InputClosed: It never had an input that stays open.
            InputConflict: Another client writes.
        """
        self._share.call(self._inner.close_stdin())

    def attach(self, offset: int = 0) -> CommandStream:
        """Its output from an offset on, as it comes, until it ends."""
        return CommandStream._of(self._share, self._inner.attach(offset))

    def wait(self) -> Verdict:
        """Wait for its end.

        Raises:
            SandboxLost: The workspace went while it ran.
            ExecutionUnknown: How it ended cannot be known.
        """
        return self._share.call(self._inner.wait())
