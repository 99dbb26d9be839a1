"""What `Kubebox` needs of a place where sandboxes run. The facade knows these protocols alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

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
        key_secret: The secret and the entry that hold the public key, where not the caller's own is meant.
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
    key_secret: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """What opens a sandbox and what is secret in it; never part of a specification, never shown.

    Attributes:
        public_keys: Who may call, PEM.
        secrets: The entries of the pod's secrets.
    """

    public_keys: str
    secrets: Mapping[str, str] = field(repr=False)


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

    async def logs(self) -> str:
        """The newest of what its server said."""
        ...

    async def ended(self) -> None:
        """Wait until it has ended and its verdict is known."""
        ...

    def verdict(self) -> Verdict | None:
        """How it ended; nothing while it lives."""
        ...


class Backend(Protocol):
    """A place where sandboxes run. Its methods are called on one event loop."""

    async def start(self, specification: PodSpecification, access: Access) -> Body:
        """Start a sandbox; it need not be ready yet.

        Raises:
            KubeboxError: It cannot be, with the reason.
        """
        ...

    def check_allowed_addresses(self, allowed_ips: Sequence[str] | None) -> None:
        """Check whom a service shall let in.

        Raises:
            NotSupported: This place cannot hold to that.
        """
        ...
