"""`kubebox._terminal` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from typing import Self

from kubebox._running import KILL_GRACE_SECONDS
from kubebox._signals import Scope
from kubebox._terminal import Terminal as AsyncTerminal
from kubebox.sync._wrapper import Wrapper
from kubebox_protocol.executions import Execution
from kubebox_protocol.verdicts import Verdict


class Terminal(Wrapper[AsyncTerminal]):
    """A command in a terminal: `for data in terminal` gives what it shows, as bytes.

    To leave the loop, or to stop waiting for the next piece, loses nothing; the next loop goes on there. `detach()` leaves the
    terminal, and what runs in it goes on; `with` ends so. While nobody reads, it is not held back: beyond 256 MiB the
    oldest output is dropped.

    Any number of clients view a terminal; one of them writes. In one client there is one reader of each terminal.

    Attributes:
        process_id: Its id, which `attach_terminal()` of any client takes.
        dropped_bytes: Bytes that the sandbox no longer held when they were due.
    """

    @property
    def process_id(self) -> str:
        """Its id, which `attach_terminal()` of any client takes."""
        return self._inner.process_id

    @property
    def dropped_bytes(self) -> int:
        """Bytes that the sandbox no longer held when they were due."""
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
    def offset(self) -> int:
        """Bytes of output before the next piece: where `attach_terminal()` goes on."""
        return self._inner.offset

    @property
    def exit_code(self) -> int | None:
        """The exit code, -N where signal N ended the command; `None` until all was read."""
        return self._inner.exit_code

    @property
    def verdict(self) -> Verdict | None:
        """How the command ended; `None` until all was read."""
        return self._inner.verdict

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return self._share.next(self._inner)

    def resize(self, rows: int, columns: int) -> None:
        """Give it another size, in characters; the program in front is told by SIGWINCH.

        Raises:
            InvalidArgument: It is not from 1 to 65535 each way.
            ExecutionEnded: The command has ended.
        """
        self._share.call(self._inner.resize(rows, columns))

    def wait(self) -> Verdict:
        """Wait for the end of the command, whether or not anybody reads.

        Raises:
            SandboxLost: The workspace went while it ran.
            ExecutionUnknown: How it ended cannot be known.
        """
        return self._share.call(self._inner.wait())

    def detach(self) -> None:
        """Leave it; what runs in it goes on. Another loop attaches again."""
        self._share.call(self._inner.detach())

    def close(self) -> None:
        """The same as `detach`."""
        self._share.call(self._inner.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()
