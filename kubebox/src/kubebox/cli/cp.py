"""`kubebox cp`: files and folders into a sandbox, and out of it."""

import os
import posixpath
import stat
from collections.abc import AsyncGenerator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kubebox._aside import STDIN, STDOUT, Aside, read_some, write_all
from kubebox._local_files import told
from kubebox.cli._attend import attend
from kubebox.cli._bar import byte_bar
from kubebox.cli._show import Json, write_json
from kubebox.cli._spot import Spot, read_spot, target_of
from kubebox.cli._target import Target
from kubebox.cli.app import EXIT_FOUND, EXIT_OK, tell
from kubebox.errors import InvalidArgument, LocalFileError, SandboxFileNotFound

if TYPE_CHECKING:
    from kubebox._sandbox_files import SandboxFiles
    from kubebox._transferred import Transferred


def cp(
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    to: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    target: Target = Target(),  # noqa: B008 - frozen
    ignore: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    as_json: Json = False,
) -> int:
    """Copy a file or a folder into a sandbox, or out of it.

    Args:
        source: What to copy: a path of this machine, or [NAME]:PATH in a sandbox; - is standard input.
        to: Where to, the same; - is standard output.
        target: Which sandbox, where no NAME says so.
        ignore: Pattern of what stays behind of a folder of this machine (`*.pyc`, `node_modules`); may be repeated.
        as_json: Print one JSON object: `entries`, `size` (bytes), `skipped`, `changed`, `errors`, `links_left_out`, and of a
            file that went to the sandbox `sha256`.
    """
    here, there = read_spot(source), read_spot(to)
    target = target_of(here, there, target)
    if as_json and there.is_stream:
        raise InvalidArgument("--json and - would both write to standard output")
    return attend(_cp(here, there, target, ignore, as_json))


async def _cp(source: Spot, to: Spot, target: Target, ignore: tuple[str, ...], as_json: bool) -> int:
    from kubebox.cli._reach import reach

    async with reach(target) as reached:
        files = reached.client.files(reached.session_id)
        copied = await (_bring(files, source, to, ignore) if source.is_here else _fetch(files, source, to))
    if as_json:
        write_json(asdict(copied))
    return _left(copied)


async def _bring(files: "SandboxFiles", source: Spot, to: Spot, ignore: tuple[str, ...]) -> "Transferred":
    from kubebox._transferred import Transferred

    if source.is_stream:
        written = await files.write(to.path, _standard_input())
        return Transferred(1, written.size, sha256=written.sha256)
    path, size = to.path, _size(source.path)
    if size is None and not source.means_content and (to.is_folder or await _is_folder(files, path)):
        path = posixpath.join(path, os.path.basename(source.path.rstrip(os.sep)))
    with byte_bar(os.path.basename(source.path), size) as on_progress:
        return await files.upload(source.path, path, ignore=ignore, on_progress=on_progress)


async def _fetch(files: "SandboxFiles", source: Spot, to: Spot) -> "Transferred":
    if to.is_stream:
        return await _to_standard_output(files, source.path)
    known = await files.stat(source.path or ".")
    local = Path(to.path)
    is_folder = os.path.isdir(local)  # noqa: ASYNC240 - this machine's, and nothing else goes on
    if known.type != "directory":
        if to.is_folder and not is_folder:
            raise LocalFileError(f"{local}: there is no such folder on this machine", path=str(local))
    elif not source.means_content and (to.is_folder or is_folder):
        local /= posixpath.basename(source.path.rstrip("/"))
    size = known.size if known.type == "file" else None
    with byte_bar(posixpath.basename(source.path), size) as on_progress:
        return await files.download(source.path, local, on_progress=on_progress)


def _size(path: str) -> int | None:
    """A file's bytes; nothing for a folder.

    Raises:
        LocalFileError: There is neither.
    """
    with told(Path(path)):
        status = os.stat(path)
    return None if stat.S_ISDIR(status.st_mode) else status.st_size


async def _is_folder(files: "SandboxFiles", path: str) -> bool:
    try:
        return (await files.stat(path)).type == "directory"
    except SandboxFileNotFound:
        return False


async def _standard_input() -> AsyncGenerator[bytes]:
    reader = Aside("input")
    try:
        while piece := await reader.do(read_some, STDIN):
            yield piece
    finally:
        reader.close()


async def _to_standard_output(files: "SandboxFiles", path: str) -> "Transferred":
    from kubebox._transferred import Transferred

    writer, size = Aside("output"), 0
    try:
        async for piece in files.stream(path):
            await writer.do(write_all, STDOUT, piece)
            size += len(piece)
    finally:
        writer.close()
    return Transferred(1, size)


def _left(copied: "Transferred") -> int:
    """Say what did not travel, or not whole."""
    if copied.skipped:
        tell(f"{copied.skipped} FIFOs, sockets or devices stayed behind")
    if copied.links_left_out:
        tell(f"{copied.links_left_out} symbolic links that lead out of the folder stayed behind")
    if copied.changed:
        tell(f"{copied.changed} files changed while they were read; copy again when nobody writes to them")
    if copied.errors:
        tell(f"{copied.errors} files or folders could not be read, and stayed behind")
    return EXIT_OK if copied.is_whole else EXIT_FOUND
