"""The cluster's control groups: all that it has started is in them, however it got away from its parent."""

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from testcluster.errors import NotReady
from testcluster.place import PREFIX

MOUNTED: Final = Path("/sys/fs/cgroup")
PROCESSES: Final = "cgroup.procs"

COMPONENTS: Final = "components"
"""The group of the components and of containerd's helpers; pods have theirs beside it."""

PATIENCE_SECONDS: Final = 10.0
"""How long killed processes may take to be gone: they give back gigabytes, and write to disks that are slow."""


def is_unified() -> bool:
    """Whether this machine has version 2 alone."""
    return (MOUNTED / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Where the hierarchies are mounted: one of version 2, or one for each controller of version 1."""
    if is_unified():
        return [MOUNTED]
    # cpu and cpuacct are often two names of one.
    return sorted({path.resolve() for path in MOUNTED.iterdir() if (path / PROCESSES).exists()})


def make(name: str) -> None:
    """Make the cluster's groups; kubelet wants its root to be there in every hierarchy.

    Args:
        name: The cluster's.
    """
    if is_unified():
        _pass_controllers_on(MOUNTED)
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
    if is_unified():
        _pass_controllers_on(MOUNTED / name)
    components(name).mkdir(exist_ok=True)


def components(name: str) -> Path:
    """The group that components start in.

    One hierarchy is enough to find them again, and where they are in no other, nothing limits or counts them.

    Args:
        name: The cluster's.
    """
    where = MOUNTED if is_unified() else MOUNTED / "pids"
    return where / name / COMPONENTS


def clusters() -> list[str]:
    """The names of all clusters on this machine."""
    where = MOUNTED if is_unified() else MOUNTED / "pids"
    return [path.name for path in where.glob(f"{PREFIX}*") if path.is_dir()]


def kill(name: str) -> None:
    """Kill everything in the cluster's groups.

    Args:
        name: The cluster's.

    Raises:
        NotReady: Something does not die.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while living := sorted({pid for group in _groups(name) for pid in _members(group)}):
        if time.monotonic() > deadline:
            raise NotReady(f"these processes do not die: {', '.join(map(str, living))}")
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                _kill(pid, deadline)


def remove(name: str) -> None:
    """Remove the cluster's groups, which nobody is in any more.

    Args:
        name: The cluster's.

    Raises:
        OSError: A group is in use.
    """
    for group in _groups(name):
        _remove(group, time.monotonic() + PATIENCE_SECONDS)


def _pass_controllers_on(group: Path) -> None:
    for controller in (group / "cgroup.controllers").read_text(encoding="ascii").split():
        # One that is refused, as real-time processes do with cpu, is missed by kubelet alone, which says so.
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def _groups(name: str) -> Iterator[Path]:
    """The deepest first."""
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            yield Path(folder)


def _members(group: Path) -> list[int]:
    try:
        return [int(line) for line in (group / PROCESSES).read_text(encoding="ascii").split()]
    except FileNotFoundError:  # it went while we looked
        return []


def _kill(pid: int, deadline: float) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
    finally:
        os.close(descriptor)


def _remove(group: Path, deadline: float) -> None:
    while True:
        try:
            group.rmdir()
        except OSError as error:
            # The last process is reaped a moment after it has ended, and nothing tells when.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
