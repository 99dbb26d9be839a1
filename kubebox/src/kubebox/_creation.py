"""Making a sandbox: a pod, the way to it, a client that is connected and a session."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict
from uuid import uuid4

from kubebox import _arguments
from kubebox._fate import Fate
from kubebox._transport.direct import DirectTransport
from kubebox._where import choose_where, is_url
from kubebox.client import CONNECT_PATIENCE_SECONDS, SandboxClient
from kubebox.errors import KubeboxError, NotSupported, PodNotReady, SandboxUnreachable, WrongEventLoop
from kubebox.keys import PrivateKey, resolve_private_key

if TYPE_CHECKING:
    from kubebox._pods import KubeboxPod
    from kubebox.manager import Kubebox
    from kubebox.sandbox import Sandbox

CREATE_SECONDS: Final = 60.0
"""Seconds to wait for a new sandbox; locally it takes less than one."""

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


class SandboxCreation:
    """A sandbox that is about to be made: to be awaited, or entered with `async with`."""

    def __init__(self, create: Callable[[], Awaitable["Sandbox"]]) -> None:
        self._create = create
        self._sandbox: Sandbox | None = None

    def __repr__(self) -> str:
        return "<SandboxCreation: await it, or enter it with `async with`>"

    def __await__(self) -> Generator[Any, Any, "Sandbox"]:
        return self._create().__await__()

    async def __aenter__(self) -> "Sandbox":
        self._sandbox = await self._create()
        return self._sandbox

    async def __aexit__(self, *_: object) -> None:
        if self._sandbox is not None:
            await self._sandbox.kill()


class Owned:
    """What ends with the sandbox, since it was made for it."""

    def __init__(self, kubebox: "Kubebox", pod: "KubeboxPod") -> None:
        self.kubebox = kubebox
        self.pod = pod

    async def destroy(self) -> None:
        try:
            await self.pod.destroy()
        finally:
            await asyncio.to_thread(self.kubebox.close)


async def create_in_time(
    cls: "type[Sandbox]",
    where: str | None,
    private_key: str | Path | None,
    env: Mapping[str, str] | None,
    timeout: float,
    options: PodOptions,
) -> "Sandbox":
    chosen = choose_where(where)
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            return await _create(cls, chosen, private_key, env, timeout, options)
    except TimeoutError as error:
        if not deadline.expired() or isinstance(error, KubeboxError):
            raise
        if is_url(chosen):
            raise SandboxUnreachable(f"{chosen}: no sandbox was opened within {timeout:g} s") from error
        raise PodNotReady(f"the sandbox was not there within {timeout:g} s, and was given up") from error


async def _create(
    cls: "type[Sandbox]",
    chosen: str,
    private_key: str | Path | None,
    env: Mapping[str, str] | None,
    timeout: float,
    options: PodOptions,
) -> "Sandbox":
    variables = _arguments.variables(env)
    if is_url(chosen):
        given = sorted(name for name, value in options.items() if value is not None)
        if given:
            raise NotSupported(
                f"{chosen} exists already: it cannot be given {', '.join(given)}", options=given
            )
        key, fate = resolve_private_key(private_key), Fate(None)
        client = _client(_arguments.address(chosen), key, None, fate)
        return await _open(cls, chosen, client, variables, fate, None, timeout)
    from kubebox.manager import Kubebox

    kubebox = Kubebox(chosen, private_key=private_key)
    name = f"sandbox-{uuid4().hex[:12]}"
    pod = kubebox.create_pod(name, env=variables, **options)
    owned, fate = Owned(kubebox, pod), Fate(pod)
    try:
        # The pod starts on a thread of its own; what the connection needs is imported meanwhile.
        await asyncio.to_thread(import_module, "kubebox._transport.preload")
        address = await pod.address(None)
        key = resolve_private_key(kubebox.private_key)
        client = _client(f"http://{address}", key, pod.identity, fate)
    except BaseException:  # cancellation too: nothing half-made may stay
        await owned.destroy()
        raise
    return await _open(cls, kubebox.where, client, {}, fate, owned, timeout)


def _client(url: str, key: PrivateKey, identity: str | None, fate: Fate) -> SandboxClient:
    return SandboxClient(url=url, transport=DirectTransport(url, key, identity, fate.explain))


async def _open(
    cls: "type[Sandbox]",
    where: str,
    client: SandboxClient,
    env: Mapping[str, str],
    fate: Fate,
    owned: Owned | None,
    timeout: float,
) -> "Sandbox":
    session_id = f"sandbox-{uuid4()}"
    try:
        await client.connect(min(timeout, CONNECT_PATIENCE_SECONDS))
        await client.initialize_session(session_id, SESSION_FOLDER, env=env)
    except BaseException:  # cancellation too: nothing half-made may stay
        await close(client, owned)
        raise
    return cls(where, client, session_id, fate, owned)


async def close(client: SandboxClient, owned: Owned | None) -> None:
    try:
        # From another loop the connection cannot be closed, but it ends with the sandbox.
        with contextlib.suppress(WrongEventLoop):
            await client.disconnect()
    finally:
        if owned is not None:
            await owned.destroy()
