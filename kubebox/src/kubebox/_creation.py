"""Making a sandbox: a pod, the way to it, a client that is connected and a session."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict
from uuid import uuid4

from kubebox import _arguments
from kubebox._fate import Fate
from kubebox._owned import Owned
from kubebox._transport.direct import DirectTransport
from kubebox._where import choose_where, is_url
from kubebox.client import CONNECT_PATIENCE_SECONDS, SandboxClient
from kubebox.errors import KubeboxError, NotSupported, PodNotReady, SandboxUnreachable, WrongEventLoop
from kubebox.keys import PrivateKey, resolve_private_key

if TYPE_CHECKING:
    from kubebox._pods import KubeboxPod
    from kubebox.manager import Kubebox
    from kubebox.sandbox import Sandbox

_log = logging.getLogger(__name__)

CREATE_SECONDS: Final = 60.0
"""Seconds to wait for a new sandbox; locally it takes less than one."""

SESSION_FOLDER: Final = "."
"""The implicit session's folder: the first root itself, where relative paths are those that commands see."""


class PodOptions(TypedDict, total=False):
    """What a new sandbox shall be; the same as `Kubebox.create_pod` takes."""

    namespace: str | None
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
    metadata: Mapping[str, str] | None


class CreateOptions(PodOptions, total=False):
    """What `Sandbox.create` takes besides where it makes one, and for whom."""

    env: Mapping[str, str] | None
    timeout: float


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

    async def __aexit__(self, *error: object) -> None:
        if self._sandbox is not None:
            await self._sandbox.__aexit__(*error)


async def create(
    cls: "type[Sandbox]",
    where: str | None,
    private_key: str | Path | None,
    env: Mapping[str, str] | None,
    timeout: float,
    options: PodOptions,
) -> "Sandbox":
    """See `Sandbox.create`."""
    chosen, variables = choose_where(where), _arguments.variables(env)
    if is_url(chosen):
        given = sorted(name for name, value in options.items() if value is not None)
        if given:
            raise NotSupported(
                f"{chosen} exists already: it cannot be given {', '.join(given)}", options=given
            )
        return await reach(cls, chosen, private_key, variables, timeout)
    from kubebox.manager import Kubebox

    kubebox = Kubebox(chosen, private_key=private_key)
    return await make(cls, kubebox, variables, timeout, options)


async def make(
    cls: "type[Sandbox]",
    kubebox: "Kubebox",
    env: Mapping[str, str],
    timeout: float,
    options: PodOptions,
    *,
    shared: bool = False,
) -> "Sandbox":
    """Make a sandbox.

    Args:
        cls: What to give.
        kubebox: Who makes it.
        env: Variables that each command gets.
        timeout: Seconds until it is given up.
        options: What it shall be.
        shared: Whether the Kubebox has others, and is not to be closed with this one.

    Raises:
        PodNotReady: It was not there in time.
        KubeboxError: It cannot be, and why.
    """

    async def steps() -> "Sandbox":
        pod = kubebox.create_pod(new_name(), env=env, **options)
        owned = Owned(kubebox, pod, dict(options.get("metadata") or {}), shared=shared)
        return await enter(cls, owned, timeout, given_up=owned.give_up)

    late = "the sandbox was not there within {:g} s, and was given up"
    return await in_time(steps, timeout, lambda: PodNotReady(late.format(timeout)))


async def reach(
    cls: "type[Sandbox]",
    url: str,
    private_key: str | Path | None,
    env: Mapping[str, str],
    timeout: float,
    *,
    guest: bool = False,
) -> "Sandbox":
    """Open a session in a sandbox that is known by its server's address.

    Args:
        cls: What to give.
        url: The server's address.
        private_key: As for `SandboxClient`.
        env: Variables that each command gets.
        timeout: Seconds until it is given up.
        guest: Whether leaving the sandbox only disconnects.

    Raises:
        SandboxUnreachable: No session was opened in time.
        KubeboxError: It is not to be had, and why.
    """

    async def steps() -> "Sandbox":
        key, fate = resolve_private_key(private_key), Fate(None)
        client = _client(_arguments.address(url), key, None, fate)
        session_id = await _open(client, env, timeout, given_up=client.disconnect)
        return cls(url, client, session_id, fate, None, guest=guest)

    late = "{}: no sandbox was opened within {:g} s"
    return await in_time(steps, timeout, lambda: SandboxUnreachable(late.format(url, timeout)))


async def enter(
    cls: "type[Sandbox]",
    owned: Owned,
    timeout: float,
    given_up: Callable[[], Awaitable[None]],
    *,
    guest: bool = False,
) -> "Sandbox":
    """Open a session in a pod, as soon as that is ready.

    Args:
        cls: What to give.
        owned: The pod.
        timeout: Seconds until connecting is given up.
        given_up: What becomes of it where that fails: nothing half-made may stay.
        guest: Whether leaving the sandbox only disconnects.
    """
    kubebox, pod, fate = owned.kubebox, owned.pod, Fate(owned.pod)
    try:
        # The pod starts on a thread of its own; what the connection needs is imported meanwhile.
        await asyncio.to_thread(import_module, "kubebox._transport.preload")
        client = await client_of(kubebox, pod, fate, timeout=None)
    except BaseException:  # cancellation too
        await _give_up(given_up)
        raise

    async def close() -> None:
        try:
            await disconnect(client)
        finally:
            await given_up()

    session_id = await _open(client, {}, timeout, given_up=close)
    return cls(kubebox.where, client, session_id, fate, owned, guest=guest)


async def in_time(
    steps: Callable[[], Awaitable["Sandbox"]], timeout: float, late: Callable[[], KubeboxError]
) -> "Sandbox":
    """Do something that gives a sandbox, in time.

    Args:
        steps: What to do.
        timeout: Seconds.
        late: What to raise after them.
    """
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            return await steps()
    except TimeoutError as error:
        if not deadline.expired() or isinstance(error, KubeboxError):
            raise
        raise late() from error


def new_name() -> str:
    """The name of a sandbox to which nobody has given one."""
    return f"sandbox-{uuid4().hex[:12]}"


async def client_of(
    kubebox: "Kubebox", pod: "KubeboxPod", fate: Fate, *, timeout: float | None
) -> SandboxClient:
    """A client of a pod's server, not connected yet; waits until the pod is ready.

    Args:
        kubebox: Whose key opens it.
        pod: The pod.
        fate: Explains why it cannot be reached.
        timeout: Seconds to wait for the pod; `None` where the caller bounds that.

    Raises:
        PodNotReady: It was not there in time.
    """
    url = f"http://{await pod.address(timeout)}"
    return _client(url, resolve_private_key(kubebox.private_key), pod.identity, fate)


def _client(url: str, key: PrivateKey, identity: str | None, fate: Fate) -> SandboxClient:
    return SandboxClient(url=url, transport=DirectTransport(url, key, identity, fate.explain))


async def _open(
    client: SandboxClient, env: Mapping[str, str], timeout: float, given_up: Callable[[], Awaitable[None]]
) -> str:
    session_id = f"sandbox-{uuid4()}"
    try:
        await client.connect(min(timeout, CONNECT_PATIENCE_SECONDS))
        await client.initialize_session(session_id, SESSION_FOLDER, env=env)
    except BaseException:  # cancellation too: nothing half-made may stay
        await _give_up(given_up)
        raise
    return session_id


async def _give_up(given_up: Callable[[], Awaitable[None]]) -> None:
    try:
        await given_up()
    except KubeboxError as error:
        # Why it is given up is what counts, a cancellation above all: that must not be lost to this.
        _log.warning("a sandbox was given up, and could not be ended: %s: %s", error.code, error.message)


async def disconnect(client: SandboxClient) -> None:
    """Close a connection. That of another event loop cannot be closed, but ends with its sandbox or its program."""
    with contextlib.suppress(WrongEventLoop):
        await client.disconnect()
