"""Holding a workspace to its resources: by a cgroup where one can be made, else by rlimits; and saying which.

Files lie on tmpfs, in memory. So a cgroup gets memory and disk together: were it memory alone, a full disk
would have the kernel kill processes instead of answering ENOSPC. That a single process does not take the
disk's share is an rlimit's work.
"""

import contextlib
import os
import resource
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from kubebox.local.resources import Resources

CPU_PERIOD_MICROSECONDS: Final = 100_000
"""The kernel's own default: within it a sandbox uses its share of the processors, then waits for the next."""

REMOVAL_SECONDS: Final = 2.0
"""How long a cgroup may take to become empty: killed processes leave it when they are taken apart."""

SINGLE_PROCESS_NOTE: Final = "a single process may hold so much private memory (RLIMIT_DATA)"


@dataclass(frozen=True)
class Limit:
    """What holds one resource.

    Attributes:
        value: The number asked for; `None` for no limit.
        enforced_by: `cgroup v2`, `cgroup v1`, `rlimit`, `tmpfs` or `none`.
        note: What that means exactly.
    """

    value: float | None
    enforced_by: str
    note: str = ""


@dataclass
class Enforcement:
    """The means that hold one sandbox.

    Attributes:
        report: For each resource, what holds it.
        cgroups: The cgroups that were made.
        memory_cgroup: The one that holds memory, and tells of what the kernel killed for it.
        rlimits: Resource limits for the workspace's first process.
        processes: The limit that init sets, where no cgroup counts.
    """

    report: dict[str, Limit] = field(default_factory=dict[str, Limit])
    cgroups: list[Path] = field(default_factory=list[Path])
    memory_cgroup: Path | None = None
    rlimits: dict[int, int] = field(default_factory=dict[int, int])
    processes: int | None = None

    def described(self) -> dict[str, dict[str, Any]]:
        """The report as JSON."""
        return {name: asdict(limit) for name, limit in self.report.items()}


@dataclass(frozen=True)
class Plan:
    """A cgroup that may be made, and the files to write there.

    Attributes:
        path: Of the cgroup.
        version: `cgroup v2` or `cgroup v1`.
        values: By resource: the files and what they get.
    """

    path: Path
    version: str
    values: Mapping[str, Mapping[str, str]]


def plan_cgroups(name: str, resources: Resources) -> list[Plan]:
    """Find where cgroups could be made for a sandbox; none where nothing is writable.

    Args:
        name: The sandbox's, which they will bear.
        resources: What they shall hold.
    """
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    plans: list[Plan] = []
    for _, mount, kind, options, *_ in mounts:
        if kind == "cgroup2":
            paths = [path for hierarchy, _, path in own if hierarchy == "0"]
            parent = _delegated(Path(mount), paths[0] if paths else "/")
            if parent is not None:
                plans.append(Plan(parent / name, "cgroup v2", _version_2(resources)))
        elif kind == "cgroup":
            for controller, values in _version_1(resources).items():
                if controller in options.split(","):
                    paths = [path for _, controllers, path in own if controller in controllers.split(",")]
                    parent = _writable(Path(mount), paths[0] if paths else "/")
                    if parent is not None:
                        plans.append(Plan(parent / name, "cgroup v1", values))
    return plans


def enforce(resources: Resources, plans: list[Plan]) -> Enforcement:
    """Make the cgroups, as far as the kernel lets us, and choose rlimits for what they do not hold.

    Args:
        resources: What the sandbox may use.
        plans: Where cgroups could be made; written down by the caller before, so that a sweep finds them.
    """
    made = Enforcement()
    for plan in plans:
        try:
            plan.path.mkdir(exist_ok=True)
        except OSError:
            continue
        made.cgroups.append(plan.path)
        for name, files in plan.values.items():
            if name not in made.report and _write_all(plan.path, files):
                made.report[name] = Limit(getattr(resources, name), plan.version)
                if name == "memory":
                    made.memory_cgroup = plan.path
    _memory(resources, made)
    _processes(resources, made)
    if resources.cpu is None:
        made.report["cpu"] = Limit(None, "none", "as many processors as the machine has")
    else:
        made.report.setdefault(
            "cpu", Limit(resources.cpu, "none", "only a cgroup can hold it, and none could be made")
        )
    made.report["disk"] = Limit(
        resources.disk,
        "tmpfs",
        "half of it for /workspace, a quarter for home, the rest for /tmp and /dev/shm; in memory, "
        "which alone bounds how many files there may be",
    )
    return made


def remove_cgroup(path: str) -> None:
    """Remove a cgroup whose processes have been killed.

    Args:
        path: Of the cgroup; it need not exist.

    Raises:
        OSError: It is still in use after two seconds.
    """
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        try:
            return os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)  # v1 tells nobody when a cgroup becomes empty


def _memory(resources: Resources, made: Enforcement) -> None:
    made.rlimits[resource.RLIMIT_DATA] = resources.memory
    made.rlimits[resource.RLIMIT_CORE] = 0
    limit = made.report.get("memory")
    if limit is not None:
        note = f"{SINGLE_PROCESS_NOTE}; all of them and the files together, memory plus disk"
        made.report["memory"] = Limit(limit.value, limit.enforced_by, note)
    else:
        note = f"{SINGLE_PROCESS_NOTE}; nothing bounds the sum of many, since no cgroup could be made"
        made.report["memory"] = Limit(resources.memory, "rlimit", note)


def _processes(resources: Resources, made: Enforcement) -> None:
    if "processes" in made.report:
        return
    made.processes = resources.processes
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
    note = "" if release >= (5, 14) else "before Linux 5.14 all processes of your account count"
    made.report["processes"] = Limit(resources.processes, "rlimit", note)


def _version_2(resources: Resources) -> dict[str, dict[str, str]]:
    values = {
        "memory": {"memory.max": str(resources.memory + resources.disk), "memory.swap.max?": "0"},
        "processes": {"pids.max": str(resources.processes)},
    }
    if resources.cpu is not None:
        values["cpu"] = {
            "cpu.max": f"{int(resources.cpu * CPU_PERIOD_MICROSECONDS)} {CPU_PERIOD_MICROSECONDS}"
        }
    return values


def _version_1(resources: Resources) -> dict[str, dict[str, dict[str, str]]]:
    total = str(resources.memory + resources.disk)
    values = {
        "memory": {"memory": {"memory.limit_in_bytes": total, "memory.memsw.limit_in_bytes?": total}},
        "pids": {"processes": {"pids.max": str(resources.processes)}},
    }
    if resources.cpu is not None:
        quota = str(int(resources.cpu * CPU_PERIOD_MICROSECONDS))
        values["cpu"] = {
            "cpu": {"cpu.cfs_period_us": str(CPU_PERIOD_MICROSECONDS), "cpu.cfs_quota_us": quota}
        }
    return values


def _write_all(cgroup: Path, files: Mapping[str, str]) -> bool:
    for name, value in files.items():
        path = cgroup / name.rstrip("?")
        if name.endswith("?") and not path.exists():
            continue  # a kernel that does not account swap has no such file, and nothing to hold there
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, value.encode())
            finally:
                os.close(descriptor)
        except OSError:
            return False
    return True


def _delegated(mount: Path, own: str) -> Path | None:
    """The nearest cgroup above ours that we may divide and that hands memory and pids down."""
    here = mount / own.lstrip("/")
    for candidate in (here, *here.parents):
        if not candidate.is_relative_to(mount):
            break
        with contextlib.suppress(OSError):
            handed_down = (candidate / "cgroup.subtree_control").read_text(encoding="ascii").split()
            writable = os.access(candidate, os.W_OK) and os.access(candidate / "cgroup.procs", os.W_OK)
            if writable and {"memory", "pids"} <= set(handed_down):
                return candidate
    return None


def _writable(mount: Path, own: str) -> Path | None:
    # In a container the path may be the host's, where the mount shows only our part of it.
    for candidate in (mount / own.lstrip("/"), mount):
        if candidate.is_dir() and os.access(candidate, os.W_OK):
            return candidate
    return None
