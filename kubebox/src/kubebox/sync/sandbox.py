"""`kubebox.sandbox` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self, Unpack

from kubebox._creation import CREATE_SECONDS, PodOptions
from kubebox._listing import SandboxInfo
from kubebox._results import CommandResult
from kubebox._terminal import COLUMNS, ROWS
from kubebox.sandbox import Sandbox as AsyncSandbox
from kubebox.sync._callbacks import OnOutput, in_caller
from kubebox.sync._ports import SandboxPorts
from kubebox.sync._results import BackgroundProcess, CommandStream
from kubebox.sync._sandbox_files import SandboxFiles
from kubebox.sync._share import Share
from kubebox.sync._shell import Shell
from kubebox.sync._terminal import Terminal
from kubebox.sync._wrapper import Wrapper
from kubebox.sync.client import SandboxClient
from kubebox_protocol.verdicts import Verdict


class Sandbox(Wrapper[AsyncSandbox]):
    """One computer. `Sandbox.create()` gives one, `Sandbox.connect()` finds one again, `Sandbox.map()` gives each item its own.

    Attributes:
        where: Where it runs: `local`, or its server's address.
        client: The client underneath.
        files: Its files.
        ports: What listens in it.
        session_id: Its implicit session, for calls of `client`.
    """

    @property
    def where(self) -> str:
        """Where it runs: `local`, or its server's address."""
        return self._inner.where

    @cached_property
    def client(self) -> SandboxClient:
        """The client underneath."""
        return SandboxClient._of(self._share, self._inner.client)

    @cached_property
    def files(self) -> SandboxFiles:
        """Its files."""
        return SandboxFiles._of(self._share, self._inner.files)

    @cached_property
    def ports(self) -> SandboxPorts:
        """What listens in it."""
        return SandboxPorts._of(self._share, self._inner.ports)

    @property
    def session_id(self) -> str:
        """Its implicit session, for calls of `client`."""
        return self._inner.session_id

    @classmethod
    def create(
        cls,
        where: str | None = None,
        *,
        private_key: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = CREATE_SECONDS,
        **options: Unpack[PodOptions],
    ) -> "Sandbox":
        """Make a sandbox: `with Sandbox.create() as sandbox`, or `sandbox = Sandbox.create()`.

        Args:
            where: `"local"` for this machine, or the URL of an existing sandbox's server. Nothing means
                `$KUBEBOX_URL`, `$KUBEBOX_CONFIG`, `where` in the user's config file, and then `"local"`.
            private_key: As for `SandboxClient`.
            env: Variables that each command gets.
            timeout: Seconds until it is given up; what was made until then is destroyed.
            **options: `image`, `resources`, `lifetime`, `network`, `metadata` and the others of `Kubebox.create_pod`.

        Raises:
            LocalUnavailable: This machine cannot run sandboxes; the message says the way out.
            NotSupported: This place does not have an option.
            PodNotReady: It was not there in time.
            SandboxUnreachable: Nothing answers at the URL.
        """
        share = Share()
        with share.hold():
            inner = share.open(
                AsyncSandbox.create(where, private_key=private_key, env=env, timeout=timeout, **options)
            )
            share.farewell = inner.client.disconnect
        return cls._of(share, inner)

    @classmethod
    def connect(
        cls,
        id_or_url: str,
        *,
        where: str | None = None,
        private_key: str | Path | None = None,
        namespace: str | None = None,
        timeout: float = CREATE_SECONDS,
    ) -> "Sandbox":
        """Find a sandbox that another program made: `with Sandbox.connect(id) as sandbox`.

        Leaving the `with` only disconnects: the sandbox and what was started in the background go on. `kill()` ends it.

        Args:
            id_or_url: Its `id`, in a cluster; or the URL of its server, wherever that is.
            where: The cluster's kubeconfig; as for `create`, and not with a URL.
            private_key: As for `SandboxClient`; the key of who made it.
            namespace: Where it lies in the cluster; `default` unless given.
            timeout: Seconds until it is given up.

        Raises:
            NotSupported: Local sandboxes belong to the program that made them.
            SandboxNotFound: There is none of this id that this key has made.
            SandboxLost: It has ended; `verdict` says how.
            PodNotReady: It did not answer in time.
            SandboxUnreachable: Nothing answers at the URL.
        """
        share = Share()
        with share.hold():
            inner = share.open(
                AsyncSandbox.connect(
                    id_or_url, where=where, private_key=private_key, namespace=namespace, timeout=timeout
                )
            )
            share.farewell = inner.client.disconnect
        return cls._of(share, inner)

    @classmethod
    def list(
        cls,
        where: str | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
        ended: bool = False,
        private_key: str | Path | None = None,
        namespace: str | None = None,
    ) -> list[SandboxInfo]:
        """Your sandboxes, oldest first: in a cluster those that your key has made, on this machine those of this program.

        Args:
            where: As for `create`.
            metadata: Only those that were given all of these entries.
            ended: Also those that have ended; a cluster remembers them for an hour, this machine does not.
            private_key: As for `SandboxClient`.
            namespace: Where they lie in the cluster; `default` unless given.

        Raises:
            NotSupported: A server's address leads to one sandbox, and to no list.
            ClusterError: The cluster does not tell, and why.
        """
        return Share().call(
            AsyncSandbox.list(
                where, metadata=metadata, ended=ended, private_key=private_key, namespace=namespace
            )
        )

    @property
    def id(self) -> str:
        """The sandbox's id."""
        return self._inner.id

    @property
    def metadata(self) -> Mapping[str, str]:
        """What it was given at its creation, to be known by.

        Raises:
            NotSupported: It was reached by its URL, and its server does not know.
        """
        return self._inner.metadata

    def verdict(self) -> Verdict | None:
        """How the sandbox ended; `None` while it lives.

        Raises:
            NotSupported: It was reached by its URL, and its end cannot be asked for.
        """
        return self._share.call(self._inner.verdict())

    def logs(self) -> str:
        """The newest of what its server said; also after its end.

        Raises:
            NotSupported: It was reached by its URL, and its server's log cannot be read.
        """
        return self._share.call(self._inner.logs())

    def set_timeout(self, seconds: float) -> None:
        """Have the sandbox live for so long from now on, instead of what was left of its `lifetime`.

        On this machine that may be more or less, again and again. In a cluster it can only become less: Kubernetes holds a pod's
        deadline even when nobody is there, and lets it be brought nearer, never put off. So ask for a long `lifetime` there.

        Args:
            seconds: More than 0; `kill()` ends it now.

        Raises:
            NotSupported: In a cluster, it would live longer than before (`data["most"]`, seconds); or it was reached by its URL.
            SandboxLost: It has ended.
        """
        self._share.call(self._inner.set_timeout(seconds))

    def run(
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
    ) -> CommandResult:
        """Run a command to its end.

        Args:
            command: Text runs in a shell; a list runs without one.
            timeout: Seconds until it is ended, with all that it started.
            env: Variables that join the sandbox's.
            path: Folder to run in.
            user: Account of the sandbox's image to run as; needs profile `root`.
            stdin: Its standard input.
            on_stdout: Called with text as it comes, in the thread that called this.
            on_stderr: The same for standard error.

        Returns:
            Its result, whatever its exit code; `check()` makes a failure an error.

        Raises:
            CommandError: It cannot be run.
            SandboxLost: The sandbox has ended, and the command with it; `verdict` says how.
            ConnectionLost: The connection was lost while it ran, and did not come back within a minute;
                `data["process_id"]` finds it again.
        """
        return self._share.call(
            self._inner.run(
                command,
                timeout=timeout,
                env=env,
                path=path,
                user=user,
                stdin=stdin,
                on_stdout=in_caller(on_stdout),
                on_stderr=in_caller(on_stderr),
            )
        )

    def stream(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        path: str | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
    ) -> CommandStream:
        """Start a command whose output is read as it comes; arguments as of `run`, and `open_stdin` for `write()`."""
        return CommandStream._of(
            self._share,
            self._share.call(
                self._inner.stream(
                    command,
                    timeout=timeout,
                    env=env,
                    path=path,
                    user=user,
                    stdin=stdin,
                    open_stdin=open_stdin,
                )
            ),
        )

    def start(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        path: str | None = None,
        user: str | None = None,
        stdin: str | bytes | None = None,
        open_stdin: bool = False,
    ) -> BackgroundProcess:
        """Start a command and leave it running; arguments as of `run`, and `open_stdin` for `write()`."""
        return BackgroundProcess._of(
            self._share,
            self._share.call(
                self._inner.start(
                    command,
                    timeout=timeout,
                    env=env,
                    path=path,
                    user=user,
                    stdin=stdin,
                    open_stdin=open_stdin,
                )
            ),
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
    ) -> Terminal:
        """Run a command, or an interactive shell, in a terminal; enter it with `with`.

        Args:
            command: As of `run`; nothing means bash, or sh where there is none.
            rows: The terminal's size, in characters.
            columns: The same.
            path: Folder to run in.
            env: Variables that join the sandbox's.
            timeout: Seconds until it is ended, with all that it started.
        """
        return Terminal._of(
            self._share,
            self._share.open(
                self._inner.terminal(command, rows=rows, columns=columns, path=path, env=env, timeout=timeout)
            ),
        )

    def shell(self, path: str | None = None, *, env: Mapping[str, str] | None = None) -> Shell:
        """Start a shell that stays: `with sandbox.shell() as shell: shell.run("cd /tmp")`.

        Args:
            path: Folder to begin in.
            env: Variables that join the sandbox's.
        """
        return Shell._of(self._share, self._share.open(self._inner.shell(path, env=env)))

    def close(self) -> None:
        """Do what the end of a `with` block does: `kill()` one that was made here, `disconnect()` from one that was found."""
        with self._share.ending():
            self._share.call(self._inner.close())

    def kill(self) -> None:
        """End the sandbox and all in it. One that is known by its URL alone only loses the commands of this object.

        Again does nothing, or tries again what failed. Who is cancelled
        leaves its end under way; who kills it again waits for that.
        """
        with self._share.ending():
            self._share.call(self._inner.kill())

    def disconnect(self) -> None:
        """Let go of the sandbox, which lives on, with what was started in the background. `connect()` finds it again.

        Again does nothing.

        Raises:
            NotSupported: It is local, and ends with this program.
        """
        with self._share.ending():
            self._share.call(self._inner.disconnect())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
