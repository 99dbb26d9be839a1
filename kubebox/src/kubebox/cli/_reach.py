"""Coming to a sandbox: one that is there, or one that is made for a single command."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kubebox._where import is_url
from kubebox.cli._target import NO_SANDBOX, Target
from kubebox.errors import ConfigurationError, ExecutionNotFound, NotSupported, SandboxNotFound

if TYPE_CHECKING:
    from kubebox._creation import PodOptions
    from kubebox._pods import KubeboxPod
    from kubebox.client import SandboxClient
    from kubebox.manager import Kubebox

CONNECT_SECONDS: Final = 10.0
"""Seconds to go on trying an address: a person who waits would rather know."""

SESSION: Final = "cli"
"""The session of commands whose caller names none: one for all of them, so that a later one finds what an earlier began."""

FOLDER: Final = "."
"""Its folder: the first root itself, where relative paths are those that commands see."""


@dataclass(frozen=True)
class Reached:
    """A sandbox that a command talks to.

    Attributes:
        client: Connected.
        session_id: The session of what is started there.
        lasting: Whether it stays when the command line ends.
        any_session: Whether what is asked for may be in another session: nobody said in which.
    """

    client: "SandboxClient"
    session_id: str
    lasting: bool
    any_session: bool

    async def session_of(self, process_id: str) -> str:
        """The session of a process.

        Raises:
            ExecutionNotFound: The sandbox knows no such process.
        """
        if not self.any_session:
            return self.session_id
        for session_id in await self.sessions():
            try:
                await self.client.check_status(session_id, process_id)
            except ExecutionNotFound:
                continue
            return session_id
        raise ExecutionNotFound(
            f"no process {process_id} in this sandbox; `kubebox ps --all` lists them", process_id=process_id
        )

    async def sessions(self) -> list[str]:
        """The sessions that are meant: the one that was named, or all, oldest first."""
        if not self.any_session:
            return [self.session_id]
        return [record.session_id for record in await self.client.list_sessions()]


@asynccontextmanager
async def reach(
    target: Target, options: "PodOptions | None" = None, *, make: bool = False
) -> AsyncGenerator[Reached]:
    """Come to the sandbox that is meant, and leave it afterwards.

    Args:
        target: Which one.
        options: Of a sandbox that is made.
        make: Whether one is made for this where none is meant.

    Raises:
        ConfigurationError: None is meant, and none may be made.
        SandboxNotFound: The cluster has none of that name.
        NotSupported: Options for one that is there.
        KubeboxError: It cannot be reached or made, and why.
    """
    existing = target.existing()
    if existing is None:
        if not make:
            raise ConfigurationError(NO_SANDBOX)
        async with _made(target, options or {}) as reached:
            yield reached
        return
    if options:
        raise NotSupported(f"the sandbox exists already: it cannot be given {', '.join(sorted(options))}")
    where, name, namespace = existing
    if is_url(where):
        from kubebox.client import SandboxClient

        async with _connected(target, SandboxClient(url=where)) as reached:
            yield reached
        return
    from kubebox._creation import client_of
    from kubebox._fate import Fate
    from kubebox._pods import DEFAULT_TIMEOUT
    from kubebox.manager import Kubebox

    async with Kubebox(where, namespace=namespace) as kubebox:
        pod = await find_pod(kubebox, name)
        async with _connected(
            target, await client_of(kubebox, pod, Fate(pod), timeout=DEFAULT_TIMEOUT)
        ) as reached:
            yield reached


async def find_pod(kubebox: "Kubebox", name: str) -> "KubeboxPod":
    """The sandbox of a name, whoever made it.

    Raises:
        SandboxNotFound: There is none.
    """
    for pod in await kubebox.get_all_pods():
        if pod.name == name:
            return pod
    raise SandboxNotFound(
        f"no sandbox {name!r} in namespace {kubebox.namespace!r} of {kubebox.where}; `kubebox list` shows those that are there"
    )


@asynccontextmanager
async def _connected(target: Target, client: "SandboxClient") -> AsyncGenerator[Reached]:
    try:
        await client.connect(CONNECT_SECONDS)
        yield Reached(client, await _session(target, client), True, target.session is None)
    finally:
        await client.disconnect()


async def _session(target: Target, client: "SandboxClient") -> str:
    name = target.session or SESSION
    # One that somebody else made has a folder of its own, which is left as it is.
    if target.session is None or all(record.session_id != name for record in await client.list_sessions()):
        await client.initialize_session(name, FOLDER)
    return name


@asynccontextmanager
async def _made(target: Target, options: "PodOptions") -> AsyncGenerator[Reached]:
    from kubebox._where import LOCAL
    from kubebox.sandbox import Sandbox

    where, _, namespace = target.settings()
    if where.value != LOCAL:
        options = {**options, "namespace": namespace.value}
    async with Sandbox.create(where.value, **options) as sandbox:
        yield Reached(sandbox.client, sandbox.session_id, False, False)
