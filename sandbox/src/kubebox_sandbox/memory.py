"""What the kernel says of the workspace's memory: the one witness of what it killed for want of it."""

import os
from pathlib import Path
from typing import Final

UNLIMITED_BYTES: Final = 1 << 62
"""Version 1 says "no limit" by the largest number that its counter holds, less than a page below 2^63."""


MAX_FILE_BYTES: Final = 4096
"""Bytes that are read of one file, which has some hundred at most."""

FILES: Final = frozenset(
    {
        "memory.events",
        "memory.max",
        "memory.peak",
        "memory.oom_control",
        "memory.limit_in_bytes",
        "memory.max_usage_in_bytes",
    }
)
"""What is read of a cgroup, of either version."""


class MemoryWatch:
    """Reads a memory cgroup, of version 1 or 2.

    What it reads lies in the kernel's memory, so it is read at once, on the loop. A file that an older kernel does not
    have is no reason to fail: the server lives on, and knows less.

    Args:
        folder: Of the cgroup; `None` where there is none to be seen, as from another container. Then what it reads has to be
            brought.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._brought: dict[str, int] = {}

    @property
    def can_see(self) -> bool:
        """Whether there is anything to read."""
        return self._folder is not None or bool(self._brought)

    def bring(self, files: dict[str, int]) -> None:
        """Read these descriptors from here on, by the names of their files, and close them when others take their place."""
        before, self._brought = self._brought, files
        for descriptor in before.values():
            os.close(descriptor)

    def kills(self) -> int:
        """How many processes the kernel has killed there for want of memory; 0 where it does not say."""
        for name in ("memory.events", "memory.oom_control"):
            for line in self._read(name).splitlines():
                words = line.split()
                if len(words) == 2 and words[0] == "oom_kill":
                    return _number(words[1]) or 0
        return 0

    def limit(self) -> int | None:
        """Bytes that all of it together may use; `None` for no limit, or one that is not known."""
        limit = self._first("memory.max", "memory.limit_in_bytes")
        return None if limit is None or limit >= UNLIMITED_BYTES else limit

    def peak(self) -> int | None:
        """The most bytes that it has used at one time; `None` where the kernel does not say."""
        return self._first("memory.peak", "memory.max_usage_in_bytes")

    def _first(self, *names: str) -> int | None:
        numbers = (_number(self._read(name).strip()) for name in names)
        return next((number for number in numbers if number is not None), None)

    def _read(self, name: str) -> str:
        try:
            if name in self._brought:
                return os.pread(self._brought[name], MAX_FILE_BYTES, 0).decode("ascii", errors="replace")
            if self._folder is None:
                return ""
            return (self._folder / name).read_text(encoding="ascii", errors="replace")
        except OSError:  # of the other version, of a newer kernel, or the cgroup has gone with its workspace
            return ""


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
