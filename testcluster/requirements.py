"""What a machine needs: programs, and who may run them."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from testcluster.errors import CannotRunHere

FOLDERS: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
"""Where programs are sought; some users' PATH has none of the administrator's."""

FOR_CLUSTER: Final = {
    "containerd": "containerd", "runc": "runc", "etcd": "etcd-server", "buildah": "buildah", "iptables": "iptables",
    "ipset": "ipset", "conntrack": "conntrack", "nft": "nftables", "ip": "iproute2", "sysctl": "procps",
    "unshare": "util-linux", "mount": "mount",
}  # fmt: skip
"""Programs that the cluster needs, and the Debian packages that bring them."""

FOR_IMAGES: Final = {"mmdebstrap": "mmdebstrap", "musl-gcc": "musl-tools", "/bin/busybox": "busybox-static"}
"""Programs that the tests' images need besides, and the Debian packages that bring them."""

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""Debian's keys, which other distributions have in a package."""

PLUGIN_FOLDERS: Final = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
"""Where the plugins of pods' networks are: Debian's place, and that of everybody else."""


def find_plugins() -> Path | None:
    """The folder with the plugins of pods' networks."""
    return next((folder for folder in PLUGIN_FOLDERS if (folder / "bridge").exists()), None)


def lacking(*, images: bool) -> dict[str, str]:
    """What this machine lacks, and the Debian packages that bring it.

    Args:
        images: Whether the tests' images shall be built here, too.
    """
    programs = FOR_CLUSTER | FOR_IMAGES if images else FOR_CLUSTER
    found = {name: package for name, package in programs.items() if shutil.which(name, path=FOLDERS) is None}
    if find_plugins() is None:
        found["the CNI plugins"] = "containernetworking-plugins"
    if images and not KEYRING.exists():
        found["Debian's keys"] = "debian-archive-keyring"
    return found


def reasons(*, images: bool) -> Iterator[str]:
    """Why this machine cannot run the cluster, each with the way out; none where it can.

    Args:
        images: Whether the tests' images shall be built here, too.
    """
    if sys.platform != "linux":
        yield "it needs Linux"
        return
    if os.geteuid() != 0:
        yield "it needs root, for namespaces, mounts and links"
    missing = lacking(images=images)
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        yield (
            f"{', '.join(missing)}: not installed; as root on Debian or Ubuntu `scripts/setup-cluster` "
            f"installs {packages}"
        )


def check(*, images: bool = False) -> None:
    """Refuse a machine that lacks something.

    Args:
        images: Whether the tests' images shall be built here, too.

    Raises:
        CannotRunHere: With everything that it lacks.
    """
    found = list(reasons(images=images))
    if found:
        raise CannotRunHere(found)
