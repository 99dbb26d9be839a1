"""A peer's server: a process on a loopback port, for as long as a block lasts."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.peers.install import LeftOut, presentable

START_SECONDS: Final = 60.0
"""Seconds until a server answers: imports take two, on a busy machine ten."""

STOP_SECONDS: Final = 10.0
"""Seconds that a server may take to end of its own accord."""

LOOK_SECONDS: Final = 0.1
"""Seconds between two looks whether it answers."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@asynccontextmanager
async def serve(
    arguments: Sequence[str], environment: Mapping[str, str], answers: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[None]:
    """Run a server.

    Args:
        arguments: Its argv; the first is the program's path.
        environment: Variables besides the usual ones. Its home is a folder that goes with it.
        answers: Whether it answers by now.

    Raises:
        LeftOut: It does not answer in time, or has ended.
    """
    with tempfile.TemporaryDirectory() as home:
        log = Path(home) / "log"
        path = f"{Path(arguments[0]).parent}:{os.environ['PATH']}"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=home,
                env={"PATH": path, "HOME": home, "LANG": "C.UTF-8", **environment}, start_new_session=True,
            )  # fmt: skip
        try:
            await _wait_until_ready(process, answers, log)
            yield
        finally:
            await _stop(process)


async def _wait_until_ready(
    process: asyncio.subprocess.Process, answers: Callable[[], Awaitable[bool]], log: Path
) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                if process.returncode is not None:
                    raise LeftOut(f"its server ended: {_last_words(log)}")
                with contextlib.suppress(aiohttp.ClientError):
                    if await answers():
                        return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise LeftOut(f"its server did not answer within {START_SECONDS:g} s") from None


def _last_words(log: Path) -> str:
    return presentable(log.read_text(errors="replace"))


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End it by its id, and then what is left of its process group, which bears the same id."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
