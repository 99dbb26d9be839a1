"""A folder of this machine as a tar stream, piece by piece. What is read blocks: each piece is for a thread."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from kubebox._archive.blocks import BLOCK, FILE, FOLDER, SYMLINK, plain_head
from kubebox._archive.links import leads_out
from kubebox._local_files import PERMISSIONS, changed
from kubebox._transferred import Transferred
from kubebox.errors import KubeboxError, LocalFileError

PIECE_BYTES: Final = 256 * 1024
"""Bytes of a piece: a thread's hop costs less than the copy from here on."""


_READING: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass
class _Packing:
    """One walk through a folder."""

    ignore: Sequence[str]
    entries: int = 0
    size: int = 0
    skipped: int = 0
    links_left_out: int = 0
    pending: list[bytes] = field(default_factory=list[bytes])
    pending_bytes: int = 0

    def add(self, data: bytes) -> Iterator[bytes]:
        self.pending.append(data)
        self.pending_bytes += len(data)
        if self.pending_bytes >= PIECE_BYTES:
            yield self.flush()

    def flush(self) -> bytes:
        piece, self.pending, self.pending_bytes = b"".join(self.pending), [], 0
        return piece


def pack(folder: Path, ignore: Sequence[str] = ()) -> Iterator[bytes | Transferred]:
    """Pack what is beneath a folder.

    Args:
        folder: A folder of this machine.
        ignore: Patterns as of a shell: what one fits, by its name or its path relative to the folder, is left out.

    Yields:
        The stream in pieces, and at its end what it came to.

    Raises:
        LocalFileError: Something cannot be read, or changes while it is read: what has been sent by then is not all.
    """
    packing = _Packing(ignore)
    try:
        top = os.stat(folder)
        yield from packing.add(_head("./", FOLDER, top))
        yield from _walk(packing, str(folder), "")
    except KubeboxError:  # Several of them are an OSError, too.
        raise
    except OSError as error:
        raise LocalFileError(
            f"{error.filename or folder}: {error.strerror}", path=str(error.filename or folder)
        ) from error
    yield from packing.add(bytes(2 * BLOCK))
    yield packing.flush()
    yield Transferred(packing.entries, packing.size, packing.skipped, links_left_out=packing.links_left_out)


def _walk(packing: _Packing, folder: str, path: str) -> Iterator[bytes]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{path}{entry.name}"
        if any(fnmatchcase(entry.name, one) or fnmatchcase(name, one) for one in packing.ignore):
            continue
        if entry.is_file(follow_symlinks=False):
            yield from _file(packing, entry.path, name)
        elif entry.is_dir(follow_symlinks=False):
            packing.entries += 1
            yield from packing.add(_head(f"{name}/", FOLDER, entry.stat(follow_symlinks=False)))
            yield from _walk(packing, entry.path, f"{name}/")
        elif entry.is_symlink():
            yield from _symlink(packing, entry.path, name, entry.stat(follow_symlinks=False))
        else:
            packing.skipped += 1


def _symlink(packing: _Packing, path: str, name: str, status: os.stat_result) -> Iterator[bytes]:
    target = os.readlink(path)
    if leads_out(name.count("/"), target):
        packing.links_left_out += 1
        return
    packing.entries += 1
    yield from packing.add(_head(name, SYMLINK, status, target))


def _file(packing: _Packing, path: str, name: str) -> Iterator[bytes]:
    file = os.open(path, _READING)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            packing.skipped += 1
            return
        packing.entries += 1
        yield from packing.add(_head(name, FILE, status))
        left = status.st_size
        while left:
            data = os.read(file, min(left, PIECE_BYTES))
            if not data:
                break
            left -= len(data)
            yield from packing.add(data)
        after = os.fstat(file)
    finally:
        os.close(file)
    if left or (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise changed(path)
    packing.size += status.st_size
    if padding := -status.st_size % BLOCK:
        yield from packing.add(bytes(padding))


def _head(name: str, kind: bytes, status: os.stat_result, target: str = "") -> bytes:
    size = status.st_size if kind == FILE else 0
    return plain_head(
        os.fsencode(name), kind, status.st_mode & PERMISSIONS, size, int(status.st_mtime), os.fsencode(target)
    )
