"""Processes of this machine, as /proc shows them: those that we started, and how much memory they hold."""

import contextlib
import os
from pathlib import Path


def server_of_only_sandbox() -> int:
    """The process id of the server of the one local sandbox that this process has.

    Raises:
        LookupError: There is none, or more than one.
    """
    found = [pid for pid in descendants(os.getpid()) if "kubebox_sandbox" in arguments(pid)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} servers of sandboxes beneath this process; one was expected")
    return found[0]


def descendants(root: int) -> list[int]:
    """All processes beneath one, its children first."""
    children: dict[int, list[int]] = {}
    for pid in all_ids():
        with contextlib.suppress(OSError):
            # The name of the program, in parentheses, may itself contain anything.
            parent = int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
    found = list(children.get(root, ()))
    for pid in found:  # grows while it is read
        found.extend(children.get(pid, ()))
    return found


def with_arguments(wanted: list[str]) -> list[int]:
    """The processes that were started with exactly these arguments; a zombie has none any more."""
    return [pid for pid in all_ids() if arguments(pid) == wanted]


def arguments(pid: int) -> list[str]:
    """What a process was started with; nothing where it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    return []


def resident_bytes(pid: int) -> int:
    """The memory that a process holds.

    Raises:
        LookupError: The process is a zombie, which holds none.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"process {pid} holds no memory any more")


def all_ids() -> list[int]:
    """Every process that there is."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
