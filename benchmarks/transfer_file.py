"""B7: one large file to a sandbox and back, against the same bytes over plain HTTP; and what both ends hold meanwhile."""

import asyncio
import filecmp
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.measure import Contestant, Operation, once, timed
from benchmarks.raw_http import RawHttp, raw_http
from benchmarks.row import Row, rate, share
from benchmarks.stage import KUBEBOX, RAW, Stage
from kubebox import Sandbox

MEBIBYTE: Final = 1024**2
LEAST_OF_RAW: Final = 0.6
MOST_GROWTH: Final = 64 * MEBIBYTE
LOOK_SECONDS: Final = 0.02
"""Seconds between two looks at the memory."""

PART_BYTES: Final = 16 * MEBIBYTE
"""Bytes that are made at once."""

MEMORY: Final = Path("/dev/shm")
"""Where files lie on this side and with plain HTTP: a sandbox's are in memory, too, and a disk would measure itself."""


async def transfer_file(stage: Stage) -> list[Row]:
    """Up, then down; each time one by Kubebox and one by plain HTTP."""
    size = stage.effort.file_bytes
    with tempfile.TemporaryDirectory(dir=MEMORY) as temporary:
        folder = Path(temporary)
        await asyncio.to_thread(_plant, folder / "mine", size)
        async with raw_http(folder / "other") as raw, Sandbox.create("local") as sandbox:
            transfer = _Transfer(sandbox, raw, folder, size)
            growths = client, server = Growth(os.getpid()), Growth(processes.server_of_only_sandbox())
            up = [
                Contestant(KUBEBOX, once(watching(transfer.up, *growths))),
                Contestant(RAW, once(transfer.raw_up)),
            ]
            down = [
                Contestant(KUBEBOX, once(watching(transfer.down, *growths))),
                Contestant(RAW, once(transfer.raw_down)),
            ]
            went = await stage.interleave("B7 up", up, repeats=1)
            came = await stage.interleave("B7 down", down, repeats=1)
            if not await asyncio.to_thread(filecmp.cmp, folder / "mine", folder / "back", shallow=False):
                raise ValueError("what came back is not what was sent")
    shown = f"{size // MEBIBYTE} MiB"
    return [
        share(f"B7 upload {shown} / plain HTTP", went, KUBEBOX, RAW, LEAST_OF_RAW, rate),
        share(f"B7 download {shown} / plain HTTP", came, KUBEBOX, RAW, LEAST_OF_RAW, rate),
        _memory("client's", client.most),
        _memory("server's", server.most),
    ]


class Growth:
    """By how much more than before a process held at most while things went on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most = 0

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Watch it while the body runs."""
        before = processes.resident_bytes(self._pid)

        async def watch() -> None:
            while True:
                self.most = max(self.most, processes.resident_bytes(self._pid) - before)
                await asyncio.sleep(LOOK_SECONDS)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()


class _Transfer:
    """Both ways of one file, and those of plain HTTP."""

    def __init__(self, sandbox: Sandbox, raw: RawHttp, folder: Path, size: int) -> None:
        self._sandbox = sandbox
        self._raw = raw
        self._mine = folder / "mine"
        self._back = folder / "back"
        self._mebibytes = size / MEBIBYTE

    async def up(self) -> float:
        # A file that is replaced is there twice for a moment, and the sandbox's memory is not made for that.
        if await self._sandbox.files.exists("file"):
            await self._sandbox.files.remove("file")
        return await timed(self._sandbox.files.upload(self._mine, "file")) / self._mebibytes

    async def raw_up(self) -> float:
        return await timed(self._raw.upload(self._mine)) / self._mebibytes

    async def down(self) -> float:
        self._back.unlink(missing_ok=True)
        return await timed(self._sandbox.files.download("file", self._back)) / self._mebibytes

    async def raw_down(self) -> float:
        self._back.unlink(missing_ok=True)
        return await timed(self._raw.download(self._back)) / self._mebibytes


def watching(operation: Operation, *growths: Growth) -> Operation:
    """The same, with an eye on memory."""

    async def watched() -> float:
        async with AsyncExitStack() as stack:
            for growth in growths:
                await stack.enter_async_context(growth.watched())
            return await operation()

    return watched


def _plant(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, PART_BYTES):
            file.write(os.urandom(min(PART_BYTES, size - start)))


def _memory(whose: str, most: int) -> Row:
    name = f"B7 growth of the {whose} memory meanwhile"
    gate = f"at most {MOST_GROWTH // MEBIBYTE} MiB"
    return Row(name, f"{most / MEBIBYTE:.1f} MiB at most", gate, most <= MOST_GROWTH)
