"""Processes of this machine, seen and signalled from outside."""

import os
import re
import resource
import select
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0
"""Seconds that an end may take on a busy machine."""

POOL_THREADS = 40
"""Threads that a server's pool may have made on the way, and keeps."""


@dataclass(frozen=True)
class Usage:
    """What a process holds at a moment.

    Attributes:
        descriptors: Open descriptors.
        threads: Threads.
        resident: Bytes of memory of its own: what of files is mapped comes and goes as the kernel likes.
    """

    descriptors: int
    threads: int
    resident: int


class Process:
    """One process. It is held by a descriptor, so that no signal reaches another that has got its number.

    Args:
        number: Its id.

    Raises:
        ProcessLookupError: There is none.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._held = os.pidfd_open(number)

    def usage(self) -> Usage:
        status = Path(f"/proc/{self.number}/status").read_text()
        return Usage(
            descriptors=len(os.listdir(f"/proc/{self.number}/fd")),
            threads=_field(status, "Threads"),
            resident=_field(status, "RssAnon") * 1024,
        )

    def environment(self) -> bytes:
        return Path(f"/proc/{self.number}/environ").read_bytes()

    def signal(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._held, number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert select.select([self._held], [], [], PATIENCE)[0], f"{self.number} did not end"

    @contextmanager
    def limited(self, limit: int, value: int) -> Generator[None]:
        """Lower one of its soft limits for a while."""
        before = resource.prlimit(self.number, limit)
        resource.prlimit(self.number, limit, (value, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.number, limit, before)

    def close(self) -> None:
        os.close(self._held)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def server_of(uid: str) -> Process:
    """The server of a sandbox on this machine.

    Args:
        uid: The uid of the sandbox's body, as its info says.
    """
    wanted = f"KUBEBOX_SANDBOX_UID={uid}".encode()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            is_server = entry.name.isdigit() and (entry / "cmdline").read_bytes().endswith(
                b"kubebox_sandbox\0"
            )
            if is_server and wanted in (entry / "environ").read_bytes().split(b"\0"):
                return Process(int(entry.name))
    raise AssertionError(f"no server of {uid} runs on this machine")


def _field(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found[1])
