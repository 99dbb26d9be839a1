"""The node: a process whose network and mounts everything of the cluster shares, and which takes them along when it ends.

So whatever components and pods mount, route or filter exists nowhere but in there, and nothing of it has to be undone.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from testcluster import cgroups
from testcluster.lock import lock
from testcluster.place import CACHE, Place
from testcluster.processes import Processes
from testcluster.run import run

HOLDER: Final = "node"
"""The process's name."""

PRIVATE_FOLDERS: Final = (
    "/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
)  # fmt: skip
"""What containerd, CNI and kubelet write to whatever their settings say; the node has its own of each."""

MOUNT_POINTS: Final = CACHE / "mount-points"
"""Which of them this machine did not have."""

# Shared among themselves, so that mounts pass between containerd, kubelet and pods as they do on a machine of its own.
BECOME_NODE: Final = "mount --make-rshared / && echo ready && exec sleep infinity"


def processes(place: Place) -> Processes:
    """The processes of a cluster.

    Args:
        place: The cluster's.
    """
    return Processes(place.processes, place.logs, place.name)


def start_node(place: Place) -> None:
    """Start the node's process, and give it its own of what it shall not share with the machine.

    Args:
        place: The cluster's.

    Raises:
        CommandFailed: A mount is refused.
    """
    cgroups.make(place.name)
    reader, writer = os.pipe()
    command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", BECOME_NODE]
    processes(place).start(HOLDER, command, stdout=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        pipe.readline()
    _make_mount_points()
    for folder in PRIVATE_FOLDERS:
        own = place.state / "private" / folder.strip("/").replace("/", "-")
        own.mkdir(parents=True)
        run(*within(place, "mount", "--bind", str(own), folder))
    # Names are looked up in vain, and at once: with the machine's resolver each would take its ten seconds.
    resolver = place.state / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n", encoding="ascii")
    run(*within(place, "mount", "--bind", str(resolver), "/etc/resolv.conf"))


def within(place: Place, *command: str) -> list[str]:
    """A command line that runs a command in the node.

    Args:
        place: The cluster's.
        command: The program and its arguments.
    """
    # nsenter, not `ip netns exec`, which mounts a fresh /sys, where kubelet finds no control groups.
    return ["nsenter", f"--target={processes(place).pid(HOLDER) or 0}", "--net", "--mount", "--", *command]


def remove_mount_points() -> None:
    """Remove the empty folders of this machine that nodes' own were mounted on, unless there is another node.

    A folder that is removed takes along what is mounted on it elsewhere.
    """
    with lock("mount-points"):
        if cgroups.clusters() or not MOUNT_POINTS.exists():
            return
        for folder in MOUNT_POINTS.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(OSError):  # somebody uses it by now, or has removed it
                Path(folder).rmdir()
        MOUNT_POINTS.unlink()


def _make_mount_points() -> None:
    with lock("mount-points"), MOUNT_POINTS.open("a", encoding="utf-8") as made:
        for folder in PRIVATE_FOLDERS:
            if not Path(folder).exists():
                made.write(f"{folder}\n")
                Path(folder).mkdir()
