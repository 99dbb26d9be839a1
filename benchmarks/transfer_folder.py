"""B8: a folder of many small files to a sandbox and back, against one tar that packs into another that unpacks."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.measure import Contestant, once, timed
from benchmarks.row import Row, share, time
from benchmarks.stage import KUBEBOX, Stage
from benchmarks.transfer_file import MEMORY
from kubebox import Sandbox

TAR: Final = "tar"
FILE_BYTES: Final = 4096
FILES_IN_A_FOLDER: Final = 100
LEAST_OF_TAR: Final = 0.5


async def transfer_folder(stage: Stage) -> list[Row]:
    """Up, then down, each time into a new folder; each time one by Kubebox and one by tar."""
    count = stage.effort.files
    with tempfile.TemporaryDirectory(dir=MEMORY) as temporary:
        folder = Path(temporary)
        await asyncio.to_thread(_plant, folder / "mine", count)
        async with Sandbox.create("local") as sandbox:
            transfer = _Transfer(sandbox, folder)
            tar = Contestant(TAR, once(transfer.tar))
            went = await stage.interleave(
                "B8 up", [Contestant(KUBEBOX, once(transfer.up)), tar], baseline=TAR, repeats=1
            )
            came = await stage.interleave(
                "B8 down", [Contestant(KUBEBOX, once(transfer.down)), tar], baseline=TAR, repeats=1
            )
            if await asyncio.to_thread(_content, folder / "back") != await asyncio.to_thread(
                _content, folder / "mine"
            ):
                raise ValueError("what came back is not what was sent")
    shown = f"{count} files of {FILE_BYTES // 1024} KiB"
    return [
        share(f"B8 upload {shown} / `tar c | tar x`", went, KUBEBOX, TAR, LEAST_OF_TAR, time),
        share(f"B8 download {shown} / `tar c | tar x`", came, KUBEBOX, TAR, LEAST_OF_TAR, time),
    ]


class _Transfer:
    """Both ways of one folder, and tar's."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._mine = folder / "mine"
        self._back = folder / "back"
        self._other = folder / "other"

    async def up(self) -> float:
        if await self._sandbox.files.exists("folder"):
            await self._sandbox.files.remove("folder", recursive=True)
        return await timed(self._sandbox.files.upload(self._mine, "folder"))

    async def down(self) -> float:
        await asyncio.to_thread(shutil.rmtree, self._back, ignore_errors=True)
        return await timed(self._sandbox.files.download("folder", self._back))

    async def tar(self) -> float:
        await asyncio.to_thread(shutil.rmtree, self._other, ignore_errors=True)
        await asyncio.to_thread(self._other.mkdir)
        return await timed(self._run_tar())

    async def _run_tar(self) -> None:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", 'set -o pipefail; tar -C "$0" -c . | tar -C "$1" -x', self._mine, self._other
        )
        if await process.wait() != 0:
            raise RuntimeError("tar failed")


def _plant(folder: Path, count: int) -> None:
    for number in range(count):
        below = folder / f"folder-{number // FILES_IN_A_FOLDER:03}"
        below.mkdir(parents=True, exist_ok=True)
        (below / f"file-{number:05}").write_bytes(os.urandom(FILE_BYTES))


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
