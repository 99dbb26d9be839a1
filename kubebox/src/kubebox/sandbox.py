"""`Sandbox`: one computer, made for you and gone afterwards."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias, Unpack

from kubebox import _arguments
from kubebox._creation import CREATE_SECONDS, Owned, PodOptions, SandboxCreation, close, create_in_time
from kubebox._fate import Fate
from kubebox._sandbox_files import SandboxFiles
from kubebox._terminal import COLUMNS, ROWS
from kubebox.client import SandboxClient
from kubebox.errors import NotSupported
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.output import OutputType

if TYPE_CHECKING:
    from kubebox._opening import Opening
    from kubebox._pods import KubeboxPod
    from kubebox._results import BackgroundProcess, CommandResult, CommandStream
    from kubebox._shell import Shell
    from kubebox._terminal import Terminal
    from kubebox_protocol.verdicts import Verdict

OnOutput: TypeAlias = Callable[[str], Awaitable[object] | None]
"""Is given text as it comes; may be a coroutine function."""


class Sandbox:
    """One computer. `Sandbox.create()` gives one.

    Attributes:
        where: Where it runs: `local`, or its server's address.
        client: The client underneath.
        files: Its files.
        session_id: Its implicit session, for calls of `client`.
    """

    def __init__(
        self, where: str, client: SandboxClient, session_id: str, fate: Fate, owned: Owned | None
    ) -> None:
        self.where = where
        self.client = client
        self.files = SandboxFiles(client, session_id)
        self.session_id = session_id
        self._fate = fate
        self._owned = owned

    @classmethod
    def create(
        cls,
        where: str | None = None,
        *,
        private_key: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = CREATE_SECONDS,
        **options: Unpack[PodOptions],
    ) -> "SandboxCreation":
        """Make a sandbox: `async with Sandbox.create() as sandbox`, or `sandbox = await Sandbox.create()`.

        Args:
            where: `"local"` for this machine, or the URL of an existing sandbox's server. Nothing means
                `$KUBEBOX_URL`, `$KUBEBOX_CONFIG`, `where` in the user's config file, and then `"local"`.
            private_key: As for `SandboxClient`.
            env: Variables that each command gets.
            timeout: Seconds until it is given up; what was made until then is destroyed.
            **options: `image`, `resources`, `lifetime`, `network` and the others of `Kubebox.create_pod`.

        Raises:
            LocalUnavailable: This machine cannot run sandboxes; the message says the way out.
            NotSupported: This place does not have an option.
            PodNotReady: It was not there in time.
            SandboxUnreachable: Nothing answers at the URL.
        """
        return SandboxCreation(
            lambda: create_in_time(
                cls, where, private_key, env, _arguments.seconds("timeout", timeout), options
            )
        )

    @property
    def id(self) -> str:
        """The sandbox's id."""
        return self.client.info.sandbox_id

    def __repr__(self) -> str:
        state = "killed" if self._fate.killed else self.client.url
        return f"<Sandbox {self.id} on {self.where}: {state}>"

    async def verdict(self) -> "Verdict | None":
        """How the sandbox ended; `None` while it lives.

        Raises:
            NotSupported: It was reached by its URL, and its end cannot be asked for.
        """
        return await self._own_pod("verdict()").verdict()

    async def logs(self) -> str:
        """The newest of what its server said; also after its end.

        Raises:
            NotSupported: It was reached by its URL, and its server's log cannot be read.
        """
        return await self._own_pod("logs()").logs()

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        path: str | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        on_stdout: OnOutput | None = None,
        on_stderr: OnOutput | None = None,
    ) -> "CommandResult":
        """Run a command to its end.

        Args:
            command: Text runs in a shell; a list runs without one.
            timeout: Seconds until it is ended, with all that it started.
            env: Variables that join the sandbox's.
            path: Folder to run in.
            user: Account of the sandbox's image to run as; needs profile `root`.
            stdin: Its standard input.
            on_stdout: Called with text as it comes.
            on_stderr: The same for standard error.

        Returns:
            Its result, whatever its exit code; `check()` makes a failure an error.

        Raises:
            CommandError: It cannot be run.
            SandboxLost: The sandbox has ended, and the command with it; `verdict` says how.
            ConnectionLost: The connection was lost while it ran, and did not come back within a minute;
                `data["process_id"]` finds it again.
        """
        watched = on_stdout is not None or on_stderr is not None
        mode = CommandMode.STREAM if watched else CommandMode.WAIT
        start = _arguments.start(
            command, mode, path=path, timeout=timeout, env=env, user=user, stdin=stdin, process_id=None
        )
        executions = self.client.executions
        if not watched:
            return await executions.wait(self.session_id, start)

        async def watch(type: OutputType, text: str) -> None:
            callback = on_stdout if type == "stdout" else on_stderr
            if text and callback is not None:
                waiting = callback(text)
                if inspect.isawaitable(waiting):
                    await waiting

        return await executions.watch(self.session_id, start, watch)

    async def stream(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        path: str | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
    ) -> "CommandStream":
        """Start a command whose output is read as it comes; arguments as of `run`, and `open_stdin` for `write()`."""
        return await self.client.run_command(
            self.session_id,
            command,
            CommandMode.STREAM,
            path,
            timeout,
            env=env,
            user=user,
            stdin=stdin,
            open_stdin=open_stdin,
        )

    async def start(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        path: str | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
    ) -> "BackgroundProcess":
        """Start a command and leave it running; arguments as of `run`, and `open_stdin` for `write()`."""
        return await self.client.run_command(
            self.session_id,
            command,
            CommandMode.BACKGROUND,
            path,
            timeout,
            env=env,
            user=user,
            stdin=stdin,
            open_stdin=open_stdin,
        )

    def terminal(
        self,
        command: str | Sequence[str] | None = None,
        *,
        rows: int = ROWS,
        columns: int = COLUMNS,
        path: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> "Opening[Terminal]":
        """Run a command, or an interactive shell, in a terminal: await it, or enter it with `async with`.

        Args:
            command: As of `run`; nothing means bash, or sh where there is none.
            rows: The terminal's size, in characters.
            columns: The same.
            path: Folder to run in.
            env: Variables that join the sandbox's.
            timeout: Seconds until it is ended, with all that it started.
        """
        return self.client.open_terminal(
            self.session_id, command, rows=rows, columns=columns, path=path, env=env, timeout=timeout
        )

    def shell(self, path: str | None = None, *, env: Mapping[str, str] | None = None) -> "Opening[Shell]":
        """Start a shell that stays: `async with sandbox.shell() as shell: await shell.run("cd /tmp")`.

        Args:
            path: Folder to begin in.
            env: Variables that join the sandbox's.
        """
        return self.client.open_shell(self.session_id, path, env=env)

    async def kill(self) -> None:
        """End the sandbox and all in it. One that was there before only loses the commands of this object.

        Again does nothing. One that was made here can be killed from any event loop.
        """
        if self._fate.killed:
            return
        try:
            if self._owned is None:
                await self.client.kill_all_processes(self.session_id)
        finally:
            self._fate.killed = True
            await close(self.client, self._owned)

    def _own_pod(self, what: str) -> "KubeboxPod":
        if self._owned is None:
            raise NotSupported(f"{self.where} was not made here: {what} is its maker's to ask", option=what)
        return self._owned.pod

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
