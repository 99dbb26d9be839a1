"""`Sandbox`: one computer, made for you and gone afterwards."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypedDict, Unpack
from uuid import uuid4

from kubebox import _arguments
from kubebox._sandbox_files import SandboxFiles
from kubebox._where import choose_where, is_url
from kubebox.client import SandboxClient
from kubebox.errors import NotSupported
from kubebox_protocol.executions import CommandMode, OutputType

if TYPE_CHECKING:
    from kubebox._pods import KubeboxPod
    from kubebox._results import BackgroundProcess, CommandResult, CommandStream
    from kubebox.manager import Kubebox

OnOutput: TypeAlias = Callable[[str], Awaitable[object] | None]
"""Is given text as it comes; may be a coroutine function."""

SESSION_FOLDER: Final = "."
"""The implicit session's folder: the first root itself, where relative paths are those that commands see."""


class PodOptions(TypedDict, total=False):
    """What a new sandbox shall be; the same as `Kubebox.create_pod` takes."""

    image: str | None
    username: str | None
    ports: Sequence[int] | None
    secrets: Sequence[str] | None
    resources: Any
    lifetime: float | None
    network: Any
    profile: str
    runtime_class: str | None
    pod: Mapping[str, Any] | None


class Sandbox:
    """One computer. `Sandbox.create()` gives one.

    Attributes:
        where: Where it runs: `local`, or its server's address.
        client: The client underneath.
        files: Its files.
        session_id: Its implicit session, for calls of `client`.
    """

    def __init__(self, where: str, client: SandboxClient, session_id: str, owned: "_Owned | None") -> None:
        self.where = where
        self.client = client
        self.files = SandboxFiles(client, session_id)
        self.session_id = session_id
        self._owned = owned

    @classmethod
    def create(
        cls,
        where: str | None = None,
        *,
        private_key: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        **options: Unpack[PodOptions],
    ) -> "SandboxCreation":
        """Make a sandbox: `async with Sandbox.create() as sandbox`, or `sandbox = await Sandbox.create()`.

        Args:
            where: `"local"` for this machine, or the URL of an existing sandbox's server. Nothing means
                `$KUBEBOX_URL`, `$KUBEBOX_CONFIG`, `where` in the user's config file, and then `"local"`.
            private_key: As for `SandboxClient`.
            env: Variables that each command gets.
            **options: `image`, `resources`, `lifetime`, `network` and the others of `Kubebox.create_pod`.

        Raises:
            LocalUnavailable: This machine cannot run sandboxes; the message says the way out.
            NotSupported: This place does not have an option.
        """
        return SandboxCreation(lambda: _create(cls, where, private_key, env, options))

    @property
    def id(self) -> str:
        """The sandbox's id."""
        return self.client.info.sandbox_id

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
            user: Account to run as; needs profile `root`.
            stdin: Its standard input.
            on_stdout: Called with text as it comes.
            on_stderr: The same for standard error.

        Returns:
            Its result, whatever its exit code; `check()` makes a failure an error.

        Raises:
            CommandError: It cannot be run.
            SandboxLost: The sandbox went while it ran.
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
    ) -> "CommandStream":
        """Start a command whose output is read as it comes; arguments as of `run`."""
        return await self.client.run_command(
            self.session_id, command, CommandMode.STREAM, path, timeout, env=env, user=user, stdin=stdin
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
    ) -> "BackgroundProcess":
        """Start a command and leave it running; arguments as of `run`."""
        return await self.client.run_command(
            self.session_id, command, CommandMode.BACKGROUND, path, timeout, env=env, user=user, stdin=stdin
        )

    async def kill(self) -> None:
        """End the sandbox and all in it. One that was there before only loses the commands of this object."""
        try:
            if self._owned is None:
                await self.client.kill_all_processes(self.session_id)
        finally:
            await _close(self.client, self._owned)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()


class SandboxCreation:
    """A sandbox that is about to be made: to be awaited, or entered with `async with`."""

    def __init__(self, create: Callable[[], Awaitable[Sandbox]]) -> None:
        self._create = create
        self._sandbox: Sandbox | None = None

    def __await__(self) -> Generator[Any, Any, Sandbox]:
        return self._create().__await__()

    async def __aenter__(self) -> Sandbox:
        self._sandbox = await self._create()
        return self._sandbox

    async def __aexit__(self, *_: object) -> None:
        if self._sandbox is not None:
            await self._sandbox.kill()


class _Owned:
    """What ends with the sandbox, since it was made for it."""

    def __init__(self, kubebox: "Kubebox", pod: "KubeboxPod") -> None:
        self.kubebox = kubebox
        self.pod = pod

    async def destroy(self) -> None:
        try:
            await self.pod.destroy()
        finally:
            await asyncio.to_thread(self.kubebox.close)


async def _create(
    cls: type[Sandbox],
    where: str | None,
    private_key: str | Path | None,
    env: Mapping[str, str] | None,
    options: PodOptions,
) -> Sandbox:
    chosen = choose_where(where)
    variables = _arguments.variables(env)
    if is_url(chosen):
        given = sorted(name for name, value in options.items() if value is not None)
        if given:
            raise NotSupported(
                f"{chosen} exists already: it cannot be given {', '.join(given)}", options=given
            )
        return await _open(cls, chosen, SandboxClient(private_key, chosen), variables, None)
    from kubebox.manager import Kubebox

    kubebox = Kubebox(chosen, private_key=private_key)
    name = f"sandbox-{uuid4().hex[:12]}"
    pod = kubebox.create_pod(name, env=variables, **options)
    owned = _Owned(kubebox, pod)
    try:
        # The pod starts on a thread of its own; what the connection needs is imported meanwhile.
        await asyncio.to_thread(import_module, "kubebox._transport.preload")
        await pod.wait_until_ready()
        address = await kubebox.create_service(name).get_external_ip()
        client = SandboxClient(kubebox.private_key, f"http://{address}", identity=pod.identity)
    except BaseException:
        await owned.destroy()
        raise
    return await _open(cls, kubebox.where, client, {}, owned)


async def _open(
    cls: type[Sandbox], where: str, client: SandboxClient, env: Mapping[str, str], owned: _Owned | None
) -> Sandbox:
    session_id = f"sandbox-{uuid4()}"
    try:
        await client.connect()
        await client.initialize_session(session_id, SESSION_FOLDER, env=env)
    except BaseException:
        await _close(client, owned)
        raise
    return cls(where, client, session_id, owned)


async def _close(client: SandboxClient, owned: _Owned | None) -> None:
    try:
        await client.disconnect()
    finally:
        if owned is not None:
            await owned.destroy()
