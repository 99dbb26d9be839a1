"""The floor: what a program does by itself, with asyncio and pipes, and neither server nor wall."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

READ_BYTES: Final = 1024 * 1024
"""Bytes of one read: larger ones gain nothing."""


async def run(*command: str) -> str:
    """Run a command to its end, and give its output."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}")
    return output.decode()


def whole_process(*command: str) -> Callable[[], Awaitable[float]]:
    """Runs a command that writes to nobody, and gives the seconds from its start to its end."""

    async def run() -> float:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        if await process.wait() != 0:
            raise RuntimeError(f"exit code {process.returncode}")
        return time.perf_counter() - started

    return run


async def first_byte(*command: str) -> float:
    """Seconds until a command's first byte is here."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.read(1)
    seconds = time.perf_counter() - started
    await process.communicate()
    return seconds


async def read(command: Sequence[str]) -> list[bytes]:
    """All that a command writes, in the pieces in which it came."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=READ_BYTES)
    assert process.stdout is not None
    pieces: list[bytes] = []
    while piece := await process.stdout.read(READ_BYTES):
        pieces.append(piece)
    await process.wait()
    return pieces


class Shell:
    """A bash that stays, behind two pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def open(cls) -> "Shell":
        """Start it."""
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec("bash", stdin=pipe, stdout=pipe))

    async def run(self, command: str) -> str:
        """Run a command that writes one line, and give the line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        return (await self._process.stdout.readline()).decode()

    async def close(self) -> None:
        """End it."""
        await self._process.communicate(b"exit\n")
