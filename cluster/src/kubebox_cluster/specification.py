"""What a sandbox in a cluster shall be: the plain description that the pod's profile is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kubebox_cluster import names

MEBIBYTE: Final = 1024 * 1024
GIBIBYTE: Final = 1024 * MEBIBYTE

DEFAULT_ROOTS: Final = ("/workspace",)


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What a workspace may use, and what it is promised.

    Attributes:
        cpu: Processors at most; `None` for as many as the node has to spare.
        memory: Bytes of memory at most.
        disk: Bytes of files at most.
    """

    cpu: float | None = None
    memory: int = 2 * GIBIBYTE
    disk: int = 4 * GIBIBYTE


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One sandbox.

    Attributes:
        name: Its name, which is the pod's and the Lease's.
        namespace: Where it lies.
        server_image: The image of its server.
        image: The workspace's image; the server's own, which is a development environment, where there is none.
        username: Whose it is.
        ports: Ports that it opens, for whoever reads the pod.
        env: Variables of every command.
        secrets: Secrets whose entries are variables too.
        key_secret: The Secret and the entry that hold the public keys of who may call.
        amounts: What it may use.
        lifetime: Seconds until Kubernetes ends it.
        network: `none`, `internet` or the networks that it may reach.
        profile: `restricted` or `root`.
        runtime_class: Of Kubernetes.
        pod: A partial Pod, merged last.
        roots: Folders beneath which sessions may lie.
        metadata: What it is known by, in lists.
        canary: Whether commands wait until the network is seen to be closed.
    """

    name: str
    namespace: str
    server_image: str
    image: str | None = None
    username: str | None = None
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: tuple[str, ...] = ()
    key_secret: tuple[str, str]
    amounts: Amounts = field(default_factory=Amounts)
    lifetime: float
    network: Literal["none", "internet"] | tuple[str, ...] = "none"
    profile: Literal["restricted", "root"] = "restricted"
    runtime_class: str | None = None
    pod: Mapping[str, Any] | None = None
    roots: tuple[str, ...] = DEFAULT_ROOTS
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    canary: bool = True

    def digest(self) -> str:
        """What makes two requests the same: everything but whether the canary sings, which the operator decides."""
        content: dict[str, Any] = {
            "image": self.image,
            "server_image": self.server_image,
            "username": self.username,
            "ports": list(self.ports),
            "env": dict(self.env),
            "secrets": list(self.secrets),
            "key_secret": list(self.key_secret),
            "amounts": [self.amounts.cpu, self.amounts.memory, self.amounts.disk],
            "lifetime": self.lifetime,
            "network": self.network if isinstance(self.network, str) else list(self.network),
            "profile": self.profile,
            "runtime_class": self.runtime_class,
            "pod": self.pod,
            "roots": list(self.roots),
        }
        if self.metadata:  # Only then: so what an earlier version recorded still says the same.
            content["metadata"] = dict(self.metadata)
        return names.digest(content)
