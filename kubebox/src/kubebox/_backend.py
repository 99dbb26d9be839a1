"""What `Kubebox` needs of a place where sandboxes run. The facade knows these protocols alone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from kubebox._listing import SandboxInfo
from kubebox_protocol.verdicts import Verdict

Network = Literal["none", "internet"] | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class PodSpecification:
    """What a caller asked for in `create_pod`. Two of them are equal where they ask for the same.

    Attributes:
        name: The pod's.
        namespace: Where it lies.
        image: The workspace's image.
        username: Whose it is; a label.
        ports: Ports that it opens.
        env: Variables of every command.
        secrets: Names of secrets whose entries are variables too.
        resources: What it may use, as given.
        lifetime: Seconds.
        network: What it may reach.
        profile: `restricted` or `root`.
        runtime_class: Of Kubernetes.
        pod: A partial Pod of Kubernetes.
        metadata: What it is known by, in lists.
        key_secret: The secret and the entry that hold the public key, where not the caller's own is meant.
        roots: Folders beneath which sessions may lie; the place's own where there are none.
    """

    name: str
    namespace: str
    image: str | None = None
    username: str | None = None
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: tuple[str, ...] = ()
    resources: Any = None
    lifetime: float
    network: Network = "none"
    profile: str = "restricted"
    runtime_class: str | None = None
    pod: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    key_secret: tuple[str, str] | None = None
    roots: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceSpecification:
    """What a caller asked for in `create_service`.

    Attributes:
        name: The pod's.
        namespace: Where it lies.
        username: Whose it is.
        ports: Those under which the server is reached; the place's own where there are none.
        allowed_ips: Addresses and networks that may connect; anyone where `None`.
    """

    name: str
    namespace: str
    username: str | None = None
    ports: tuple[int, ...] = ()
    allowed_ips: tuple[str, ...] | None = None


class Limit(TypedDict):
    """What holds one resource of a sandbox.

    Attributes:
        value: The number asked for; `None` for no limit.
        enforced_by: What holds it, for instance `cgroup v2` or `rlimit`; `none` where nothing does.
        note: What that means exactly.
    """

    value: float | None
    enforced_by: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A sandbox that answers.

    Attributes:
        address: Host and port of its server.
        identity: Its public identity key, base64, where the backend knows it; then no client needs to trust
            the first contact.
        limits: For each resource: value, what enforces it, a note.
        phases: Milliseconds from the start to each step, for whoever measures.
    """

    address: str
    identity: str | None
    limits: Mapping[str, Limit]
    phases: Mapping[str, float]


class Body(Protocol):
    """A sandbox that was started."""

    async def ready(self) -> Ready:
        """Wait until it answers.

        Raises:
            KubeboxError: It never will, with the reason.
        """
        ...

    async def destroy(self) -> None:
        """End it and wait until nothing of it is left. Again does nothing."""
        ...

    async def abandon(self) -> None:
        """What becomes of it when its start has failed: it is destroyed, unless it was there before."""
        ...

    async def logs(self) -> str:
        """The newest of what its server said."""
        ...

    async def ended(self) -> None:
        """Wait until it has ended and its verdict is known."""
        ...

    def verdict(self) -> Verdict | None:
        """How it ended; nothing while it lives."""
        ...

    async def set_timeout(self, seconds: float) -> None:
        """Have it live for so long from now on.

        Raises:
            NotSupported: It would live longer than this place can have it live.
            SandboxLost: It has ended.
        """
        ...

    def progress(self) -> str:
        """What it waits for, while it is not ready: a clause, or nothing."""
        ...


class Way(Protocol):
    """A service that was asked for: the way to a pod's server."""

    async def address(self, access: str, timeout: float | None) -> str:
        """Wait until clients can come through, and give the host and the port to connect to.

        Args:
            access: How to come in; `auto` for whatever this place has.
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: They never will, or not in time.
        """
        ...

    async def allow(self, allowed_ips: tuple[str, ...] | None) -> None:
        """Change who may connect."""
        ...

    async def close(self) -> None:
        """Close it. Again does nothing."""
        ...


OwnKeys = Callable[[], str]
"""Gives the caller's own public key, PEM; may take its time, so it is called on a thread."""

FindPod = Callable[[float | None], Awaitable[str]]
"""Waits so many seconds for the pod of a service, and gives its server's address."""


class Backend(Protocol):
    """A place where sandboxes run. Its methods are called on one event loop, Kubebox's own.

    Attributes:
        where: Its name.
        outlived: Whether sandboxes there live on when the program ends.
    """

    @property
    def where(self) -> str: ...

    @property
    def outlived(self) -> bool: ...

    async def start(self, specification: PodSpecification, own_keys: OwnKeys) -> Body:
        """Start a sandbox; it need not be ready yet.

        Raises:
            KubeboxError: It cannot be, with the reason.
        """
        ...

    async def open(self, specification: ServiceSpecification, find_pod: FindPod) -> Way:
        """Open a way to a pod, which may come later.

        Raises:
            KubeboxError: This place cannot, with the reason.
        """
        ...

    async def keep_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Keep variables for later pods, in the place of what was kept under that name."""
        ...

    async def drop_secret(self, namespace: str, name: str) -> None:
        """Forget them. Again does nothing."""
        ...

    async def admit(self, namespace: str, name: str, allowed_ips: tuple[str, ...] | None) -> None:
        """Let networks come to a pod's server."""
        ...

    async def shut(self, namespace: str, name: str) -> None:
        """Let nobody come any more. Again does nothing."""
        ...

    async def pods(self, namespace: str) -> Mapping[str, Callable[[], Body]]:
        """The sandboxes there, also those that other programs made, by name; what follows one, where it is wanted."""
        ...

    async def sandboxes(self, namespace: str, own_keys: OwnKeys, *, ended: bool) -> Sequence[SandboxInfo]:
        """The caller's sandboxes, oldest first.

        Args:
            namespace: Where they lie.
            own_keys: Gives the caller's own public key, by which they are told from others'.
            ended: Whether those that have ended are wanted too, as far as they are remembered.
        """
        ...

    async def find(
        self, namespace: str, name: str, own_keys: OwnKeys
    ) -> "tuple[SandboxInfo, Callable[[], Body]]":
        """One of the caller's sandboxes, and what follows it.

        Raises:
            NotSupported: This place cannot, with the reason.
            SandboxNotFound: There is none of this name, or it is another's.
            SandboxLost: It has ended.
        """
        ...

    async def services(self, namespace: str) -> Mapping[str, Way]:
        """The ways there, also those that other programs opened, by their pods' names."""
        ...

    async def collect(self, namespace: str) -> list[str]:
        """Remove what has expired there, and tell what that was."""
        ...

    async def close(self) -> None:
        """Give back what it holds. Nothing is asked of it afterwards."""
        ...
