"""Where a cluster lives: its files, its names, its addresses.

Several may run side by side on one machine, told apart by a number, so that a test can break one of its own.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent
"""This package's folder, with the Go modules and the images' sources in it."""

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubebox" / "testcluster"
"""What takes minutes to make and is made once: compiled programs, built images. Everything in it may be deleted."""

MOST_CLUSTERS: Final = 16
"""How many numbers there are, so that no range of addresses runs into the next one's."""

PREFIX: Final = "kubebox-testcluster-"
"""Of the names of clusters' control groups."""

NODE_NAME: Final = "node1"
REGISTRY_PORT: Final = 5000


@dataclass(frozen=True)
class Place:
    """One cluster's place on this machine.

    The links lie in 198.18.0.0/15, which is reserved for benchmarks (RFC 2544), so they cannot collide with a real network.
    Pods and Services have the private addresses that they usually have, since tests ask whether those are refused.

    Args:
        number: 0 up to `MOST_CLUSTERS`.
        state: The folder that holds everything of it; gone when the cluster is down.

    Raises:
        ValueError: The number is none of those.
    """

    number: int = 0
    state: Path = field(default=Path("/var/lib/kubebox-testcluster"))

    def __post_init__(self) -> None:
        if not 0 <= self.number < MOST_CLUSTERS:
            raise ValueError(f"a test cluster's number is from 0 to {MOST_CLUSTERS - 1}, not {self.number}")

    @property
    def name(self) -> str:
        """Of its cgroups."""
        return f"{PREFIX}{self.number}"

    @property
    def pki(self) -> Path:
        """Certificates, keys, and a kubeconfig for each who talks to the API server."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.pki / "admin.conf"

    @property
    def processes(self) -> Path:
        """What runs: one file each."""
        return self.state / "processes"

    @property
    def logs(self) -> Path:
        """What the components say."""
        return self.state / "log"

    @property
    def containerd(self) -> Path:
        """Where containerd keeps images and layers. In the cache: they outlive the cluster, since to unpack them takes long."""
        return CACHE / "containerd" / str(self.number)

    @property
    def containerd_socket(self) -> Path:
        """Where containerd answers."""
        return self.state / "run" / "containerd.sock"

    @property
    def link(self) -> str:
        """The machine's end of the cable to the node; an interface's name has 15 characters at most."""
        return f"kubebox{self.number}"

    @property
    def host_address(self) -> str:
        """The machine, as the node sees it."""
        return f"198.18.0.{4 * self.number + 1}"

    @property
    def node_address(self) -> str:
        """The node, as the machine sees it."""
        return f"198.18.0.{4 * self.number + 2}"

    @property
    def public_address(self) -> str:
        """The machine again, by an address of TEST-NET-3 (RFC 5737): for pods it is what the internet is elsewhere."""
        return f"203.0.113.{self.number + 1}"

    @property
    def registry(self) -> str:
        """Where a test may play an image registry, over plain HTTP, on the machine."""
        return f"{self.host_address}:{REGISTRY_PORT}"

    @property
    def pods(self) -> str:
        """Pods' addresses."""
        return f"10.244.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        """The node, as pods see it."""
        return f"10.244.{self.number}.1"

    @property
    def services(self) -> str:
        """Services' addresses."""
        return f"{self.service_address('0.0')}/16"

    @property
    def load_balancers(self) -> str:
        """Addresses for Services of type LoadBalancer."""
        return f"198.18.{64 + self.number}.0/24"

    def service_address(self, host: str) -> str:
        """A Service's address.

        Args:
            host: The last two of its four numbers, such as "0.1" for the API server.
        """
        return f"10.{96 + self.number}.{host}"


METADATA_ADDRESS: Final = "169.254.169.254"
"""Where clouds hand out credentials. Here it is an address of the node, where a test's pod may listen."""


def here() -> Place:
    """The place that the environment names.

    `KUBEBOX_TESTCLUSTER_NUMBER` (0 unless set) and `KUBEBOX_TESTCLUSTER_STATE`
    (/var/lib/kubebox-testcluster unless set, with the number at its end unless it is 0).

    Raises:
        ValueError: There is no such number.
    """
    number = int(os.environ.get("KUBEBOX_TESTCLUSTER_NUMBER") or 0)
    state = os.environ.get("KUBEBOX_TESTCLUSTER_STATE")
    suffix = f"-{number}" if number else ""
    return Place(number, Path(state).absolute() if state else Path(f"/var/lib/kubebox-testcluster{suffix}"))
