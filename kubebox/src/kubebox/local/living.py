"""The local sandboxes of this program: whatever object made them, they are one user's, and end with it."""

import os
import threading
from collections.abc import Callable

from kubebox._listing import SandboxInfo

Tell = Callable[[], SandboxInfo]
"""Says what a sandbox is by now."""

_lock = threading.Lock()
_living: dict[tuple[int, str], Tell] = {}
"""By the program's process id, since a forked child knows of its parent's and has none of them; and by their unique ids."""


def begin(uid: str, tell: Tell) -> None:
    """Know a sandbox from now on.

    Args:
        uid: Its unique id.
        tell: Says what it is.
    """
    with _lock:
        _living[os.getpid(), uid] = tell


def end(uid: str) -> None:
    """Know it no longer."""
    with _lock:
        _living.pop((os.getpid(), uid), None)


def living() -> list[SandboxInfo]:
    """Those that are there, oldest first."""
    with _lock:
        known = [tell for (program, _), tell in _living.items() if program == os.getpid()]
    return sorted((tell() for tell in known), key=lambda info: info.created)
