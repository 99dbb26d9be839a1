"""Local sandboxes under test, and eyes for what they leave behind."""

import os
import select
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from kubebox import CommandResult, Kubebox, KubeboxPod, SandboxClient
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.verdicts import Verdict

PATIENCE = 20.0
"""Seconds that anything here may take on a busy machine."""

PROGRAM = textwrap.dedent("""
    import asyncio, sys, tempfile
    from kubebox import Kubebox
    tempfile.tempdir = sys.argv[1]

    async def main():
        kubebox = Kubebox("local", private_key=sys.argv[2])
        pod = kubebox.create_pod("box")
        await pod.wait_until_ready()
        print("ready", flush=True)
        await asyncio.sleep(1000)

    asyncio.run(main())
""")
"""A user's program: its sandbox lies in the folder, and opens with the key, that are its arguments."""


@dataclass(frozen=True)
class Box:
    """A sandbox with a client and a session."""

    pod: KubeboxPod
    client: SandboxClient
    port: int

    async def run(self, command: str, timeout: float = PATIENCE) -> CommandResult:
        result = await self.client.run_command("session", command, mode=CommandMode.WAIT, timeout=timeout)
        assert isinstance(result, CommandResult)
        return result


@asynccontextmanager
async def opened(kubebox: Kubebox, name: str = "box", **options: Any) -> AsyncGenerator[Box]:
    """A new sandbox, gone afterwards."""
    pod = kubebox.create_pod(name, **options)
    try:
        address = await pod.address(PATIENCE)
        async with SandboxClient(kubebox.private_key, f"http://{address}") as client:
            await client.initialize_session("session", "work")
            yield Box(pod, client, int(address.rpartition(":")[2]))
    finally:
        await pod.destroy()


async def end_of(pod: KubeboxPod) -> Verdict:
    """How a pod has ended, as soon as that is told."""
    with anyio.fail_after(PATIENCE):
        while (verdict := await pod.verdict()) is None:
            await anyio.lowlevel.checkpoint()
    return verdict


class Witness:
    """Holds processes by descriptors, which stay theirs when the ids are given to others."""

    def __init__(self, processes: list[int]) -> None:
        self.held: list[int] = []
        for process in processes:
            with suppress(ProcessLookupError):  # gone already
                self.held.append(os.pidfd_open(process))

    def all_end(self) -> bool:
        """Whether all of them end in time."""
        deadline = time.monotonic() + PATIENCE
        try:
            return all(
                select.select([held], [], [], max(deadline - time.monotonic(), 0))[0] != []
                for held in self.held
            )
        finally:
            for held in self.held:
                os.close(held)


@contextmanager
def ending_program(kubebox: Kubebox, place: Path) -> Generator[tuple[subprocess.Popen[str], int]]:
    """A user's program that is made to end within the block, and its sandbox's supervisor: nothing of that may be left."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place), kubebox.private_key],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        (supervisor,) = supervisors(program.pid)
        (folder,) = place.iterdir()
        witness = Witness([supervisor, *descendants(supervisor)])
        yield program, supervisor
        program.wait(PATIENCE)
        assert witness.all_end()
        assert wait_until_gone(folder)
        assert cgroups(folder.name) == []


def parent_of(process: int) -> int | None:
    """The process that another one is beneath; `None` where it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def descendants(process: int) -> list[int]:
    """All processes beneath one, whatever session, namespace or account they are in."""
    parents = {
        int(entry.name): parent_of(int(entry.name))
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
    }
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def supervisors(program: int | None = None) -> list[int]:
    """The supervisors that a program has started."""
    found = [
        process
        for process in descendants(os.getpid() if program is None else program)
        if b"launch.py" in command_of(process)
    ]
    # What a supervisor starts has the same command, for a moment.
    return [process for process in found if parent_of(process) not in {None, *found}]


def server_of(supervisor: int) -> int:
    """The server that a supervisor has started."""
    (server,) = [
        process for process in descendants(supervisor) if command_of(process).endswith(b"kubebox_sandbox\0")
    ]
    return server


def command_of(process: int) -> bytes:
    """A process's argv; empty where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def owner(process: int) -> int:
    """The account that a process runs under."""
    return int(Path(f"/proc/{process}/status").read_text().split("Uid:")[1].split()[0])


def wait_until_gone(path: Path) -> bool:
    """Whether a file is gone in time."""
    deadline = time.monotonic() + PATIENCE
    while path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def cgroups(name: str) -> list[Path]:
    """Cgroups of a sandbox, wherever they are mounted."""
    return [folder for folder in Path("/sys/fs/cgroup").rglob(name) if folder.is_dir()]
