"""`Sandbox`: one computer, made for you and gone afterwards."""

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeAlias, TypeVar, Unpack

from kubebox import _arguments
from kubebox._creation import (
    CREATE_SECONDS,
    CreateOptions,
    PodOptions,
    SandboxCreation,
    create,
    disconnect,
)
from kubebox._fate import Fate
from kubebox._owned import Owned
from kubebox._terminal import COLUMNS, ROWS
from kubebox.client import SandboxClient
from kubebox.errors import NotSupported
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.output import OutputType

if TYPE_CHECKING:
    from kubebox._listing import SandboxInfo
    from kubebox._mapping import SandboxMap
    from kubebox._opening import Opening
    from kubebox._outcomes import OnProgress
    from kubebox._results import BackgroundProcess, CommandResult, CommandStream
    from kubebox._shell import Shell
    from kubebox._terminal import Terminal
    from kubebox_protocol.verdicts import Verdict

OnOutput: TypeAlias = Callable[[str], Awaitable[object] | None]
"""Is given text as it comes; may be a coroutine function."""

Item = TypeVar("Item")
Value = TypeVar("Value")

CONCURRENCY: Final = 8
"""Sandboxes that `Sandbox.map` has at once, unless it is told otherwise: an ordinary machine bears as many."""

RETRIES: Final = 2
"""How often `Sandbox.map` tries an item again, unless it is told otherwise."""


class Sandbox:
    """One computer. `Sandbox.create()` gives one, `Sandbox.connect()` finds one again, `Sandbox.map()` gives each item its own.

    Attributes:
        where: Where it runs: `local`, or its server's address.
        client: The client underneath.
        files: Its files.
        ports: What listens in it.
        session_id: Its implicit session, for calls of `client`.
    """

    def __init__(
        self,
        where: str,
        client: SandboxClient,
        session_id: str,
        fate: Fate,
        owned: Owned | None,
        *,
        guest: bool = False,
    ) -> None:
        self.where = where
        self.client = client
        self.files = client.files(session_id)
        self.ports = client.ports
        self.session_id = session_id
        self._fate = fate
        self._owned = owned
        self._gone = False
        self._guest = guest  # Who connects to what is there does not end it by leaving.

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
            **options: `image`, `resources`, `lifetime`, `network`, `metadata` and the others of `Kubebox.create_pod`.

        Raises:
            LocalUnavailable: This machine cannot run sandboxes; the message says the way out.
            NotSupported: This place does not have an option.
            PodNotReady: It was not there in time.
            SandboxUnreachable: Nothing answers at the URL.
        """
        return SandboxCreation(
            lambda: create(cls, where, private_key, env, _arguments.seconds("timeout", timeout), options)
        )

    @classmethod
    def connect(
        cls,
        id_or_url: str,
        *,
        where: str | None = None,
        private_key: str | Path | None = None,
        namespace: str | None = None,
        timeout: float = CREATE_SECONDS,
    ) -> "SandboxCreation":
        """Find a sandbox that another program made: `async with Sandbox.connect(id) as sandbox`, or `await` it.

        Leaving the `async with` only disconnects: the sandbox and what was started in the background go on. `kill()` ends it.

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
        from kubebox._connecting import connect

        return SandboxCreation(
            lambda: connect(
                cls, id_or_url, where, private_key, namespace, _arguments.seconds("timeout", timeout)
            )
        )

    @classmethod
    async def list(
        cls,
        where: str | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
        ended: bool = False,
        private_key: str | Path | None = None,
        namespace: str | None = None,
    ) -> "list[SandboxInfo]":
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
        from kubebox._connecting import list_sandboxes

        return await list_sandboxes(where, metadata or {}, ended, private_key, namespace)

    @classmethod
    def map(
        cls,
        fn: "Callable[[Sandbox, Item], Awaitable[Value]]",
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        concurrency: int = CONCURRENCY,
        retries: int = RETRIES,
        options: Callable[[Item], CreateOptions] | None = None,
        on_progress: "OnProgress | None" = None,
        where: str | None = None,
        private_key: str | Path | None = None,
        **create_options: Unpack[CreateOptions],
    ) -> "SandboxMap[Item, Value]":
        """Give each item a fresh sandbox and await `fn(sandbox, item)`: `async for outcome in Sandbox.map(fn, items)`.

        Outcomes come as they are there, in any order. An item whose sandbox cannot be had, or is lost, is tried again in
        another one, after a growing pause (`KubeboxError.transient` says for which errors); what `fn` raises itself, and any
        result of a command, is final. A failure is an outcome, and never ends the rest. Leaving the loop, an error and Ctrl-C
        end every sandbox that is still there; `async with Sandbox.map(…) as outcomes` also waits for that.

        Args:
            fn: What to do. The sandbox is gone when it returns.
            items: Taken one by one as sandboxes become free, so there may be any number. A plain iterable must not block;
                an async one may wait.
            concurrency: Sandboxes at once. As many outcomes again may wait to be read; then nothing new begins.
            retries: How often an item is tried again.
            options: For an item what its sandbox shall be, over `create_options`: `lambda task: {"image": task.image}`.
            on_progress: Called with `MapProgress` whenever a count changes; must not block. `kubebox.progress.bar()` is one.
            where: As for `create`; a URL is none, since it has one sandbox alone.
            private_key: As for `create`.
            **create_options: As for `create`.

        Raises:
            InvalidArgument: `concurrency` or `retries` is no such number.
            NotSupported: `where` is a URL. This, and what `items` and `on_progress` raise, comes out of the iteration.
        """
        from kubebox._mapping import map_items

        return map_items(
            cls,
            fn,
            items,
            concurrency=concurrency,
            retries=retries,
            options=options,
            on_progress=on_progress,
            where=where,
            private_key=private_key,
            common=create_options,
        )

    @property
    def id(self) -> str:
        """The sandbox's id."""
        return self.client.info.sandbox_id

    @property
    def metadata(self) -> Mapping[str, str]:
        """What it was given at its creation, to be known by.

        Raises:
            NotSupported: It was reached by its URL, and its server does not know.
        """
        return self._own_pod("metadata").metadata

    def __repr__(self) -> str:
        state = "killed" if self._fate.killed else "disconnected" if self._fate.left else self.client.url
        return f"<Sandbox {self.id} on {self.where}: {state}>"

    async def verdict(self) -> "Verdict | None":
        """How the sandbox ended; `None` while it lives.

        Raises:
            NotSupported: It was reached by its URL, and its end cannot be asked for.
        """
        return await self._own_pod("verdict()").pod.verdict()

    async def logs(self) -> str:
        """The newest of what its server said; also after its end.

        Raises:
            NotSupported: It was reached by its URL, and its server's log cannot be read.
        """
        return await self._own_pod("logs()").pod.logs()

    async def set_timeout(self, seconds: float) -> None:
        """Have the sandbox live for so long from now on, instead of what was left of its `lifetime`.

        On this machine that may be more or less, again and again. In a cluster it can only become less: Kubernetes holds a pod's
        deadline even when nobody is there, and lets it be brought nearer, never put off. So ask for a long `lifetime` there.

        Args:
            seconds: More than 0; `kill()` ends it now.

        Raises:
            NotSupported: In a cluster, it would live longer than before (`data["most"]`, seconds); or it was reached by its URL.
            SandboxLost: It has ended.
        """
        given = _arguments.seconds("seconds", seconds)
        await self._own_pod("set_timeout()").pod.set_timeout(given)

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
        executions = self.client.executions
        start = _arguments.start(
            command,
            mode,
            path=path,
            timeout=timeout,
            env=env,
            user=user,
            stdin=stdin,
            process_id=None,
            lease=executions.wait_lease,
        )
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

    async def close(self) -> None:
        """Do what the end of a `with` block does: `kill()` one that was made here, `disconnect()` from one that was found."""
        await (self.disconnect() if self._guest else self.kill())

    async def kill(self) -> None:
        """End the sandbox and all in it. One that is known by its URL alone only loses the commands of this object.

        Again does nothing, or tries again what failed. One that has a pod can be killed from any event loop. Who is cancelled
        leaves its end under way; who kills it again waits for that.
        """
        if self._gone or self._fate.left:
            return
        try:
            if self._owned is None:
                await self.client.kill_all_processes(self.session_id)
        finally:
            self._fate.killed = True
            try:
                await disconnect(self.client)
            finally:
                if self._owned is not None:
                    await self._owned.destroy()
                self._gone = True  # Not before: one whose end failed lives on, and can be killed again.

    async def disconnect(self) -> None:
        """Let go of the sandbox, which lives on, with what was started in the background. `connect()` finds it again.

        Again does nothing.

        Raises:
            NotSupported: It is local, and ends with this program.
        """
        if self._fate.killed or self._fate.left:
            return
        if self._owned is not None and not self._owned.outlives:
            raise NotSupported(
                "a local sandbox belongs to the program that made it, and cannot be left alone: kill() ends it",
                option="disconnect()",
            )
        self._fate.left = True
        try:
            await disconnect(self.client)
        finally:
            if self._owned is not None:
                await self._owned.leave()

    def _own_pod(self, what: str) -> Owned:
        if self._owned is None:
            raise NotSupported(
                f"{self.where} is known by its URL alone: {what} is for who made it, or connects to it by its id",
                option=what,
            )
        return self._owned

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
