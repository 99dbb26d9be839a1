"""A tar stream of a sandbox as files of this machine. Whoever wrote it is not believed.

Every name is applied one part at a time, by the descriptors of the folders it leads through, and never through a symlink:
nothing that the stream says, and nothing that somebody puts there meanwhile, leads out of the folder.
"""

import json
import os
from pathlib import Path

from kubebox._archive.blocks import FILE, FOLDER, SYMLINK, Blocks, Entry, Source
from kubebox._archive.links import leads_out
from kubebox._archive.trail import Trail
from kubebox._local_files import PERMISSIONS, told
from kubebox._transferred import Transferred
from kubebox.errors import AnswerInvalid, ArchiveRefused, NotSupported


def unpack(source: Source, folder: Path) -> Transferred:
    """Unpack a sandbox's stream beneath a folder, which is made where it is missing.

    Files appear whole or not at all, and replace what is there; folders that are there stay.

    Args:
        source: The stream.
        folder: A folder of this machine.

    Raises:
        ArchiveRefused: An entry would lead out, or is neither file, folder nor link. What came before it is there.
        AnswerInvalid: The stream has no end, or is none.
        LocalFileError: This machine does not take a file.
        NotSupported: This system has no descriptors of folders.
    """
    if os.open not in os.supports_dir_fd:
        raise NotSupported(
            "this system cannot open files relative to folders, without which unpacking would not be safe"
        )
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with Trail(folder) as trail:
            return _Unpacking(trail).all(source)


class _Unpacking:
    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._entries = 0
        self._size = 0
        self._links_left_out = 0

    def all(self, source: Source) -> Transferred:
        blocks = Blocks(source)
        said = ""
        for entry in blocks.entries():
            self._entry(entry, blocks)
            said = entry.remark
        self._trail.finish()
        return self._summary(said)

    def _summary(self, said: str) -> Transferred:
        """What the stream's last word tells; without it, it broke off."""
        try:
            told = json.loads(said)
            counts = [int(told[name]) for name in ("skipped", "changed", "errors")]
        except (ValueError, KeyError, TypeError):
            raise AnswerInvalid(
                "what the sandbox sent is not a whole archive (its last word is missing)"
            ) from None
        return Transferred(self._entries, self._size, *counts, links_left_out=self._links_left_out)

    def _entry(self, entry: Entry, blocks: Blocks) -> None:
        names = self._names(entry.name)
        if entry.kind == FOLDER:
            self._trail.folder(names, entry.mode & PERMISSIONS, entry.modified)
        elif not names:
            raise self._refused(entry.name, "names no file")
        elif entry.kind == FILE:
            self._file(names, entry, blocks)
        elif entry.kind == SYMLINK:
            self._symlink(names, entry.target)
        else:
            raise self._refused(entry.name, "is neither a file, a folder nor a symbolic link")
        if names:
            self._entries += 1

    def _names(self, name: str) -> list[str]:
        if name.startswith("/") or "\0" in name:
            raise self._refused(name, "is no path beneath a folder")
        names = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in names:
            raise self._refused(name, "leads out of the folder")
        return names

    def _file(self, names: list[str], entry: Entry, blocks: Blocks) -> None:
        with self._trail.draft(names) as draft:
            for piece in blocks.content(entry.size):
                draft.write(piece)
            draft.keep(entry.mode & PERMISSIONS, entry.modified)
        self._size += entry.size

    def _symlink(self, names: list[str], target: str) -> None:
        if leads_out(len(names) - 1, target):
            self._links_left_out += 1
        else:
            self._trail.symlink(names, target)

    def _refused(self, name: str, why: str) -> ArchiveRefused:
        return ArchiveRefused(
            f"the sandbox sent an entry {name[:256]!r} that {why}; what came before it is there",
            entry=self._entries + 1,
        )
