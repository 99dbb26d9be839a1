"""`kubebox ls`: a folder of a sandbox."""

import stat
import time
from typing import TYPE_CHECKING, Final

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, write_json, write_table
from kubebox.cli._target import Target
from kubebox.cli.app import tell

if TYPE_CHECKING:
    from kubebox_protocol.files import FileInfo

TYPES: Final = {"directory": stat.S_IFDIR, "symlink": stat.S_IFLNK, "file": stat.S_IFREG, "other": 0}


def ls(
    path: str = "",
    *,
    target: Target = Target(),  # noqa: B008 - frozen
    recursive: bool = False,
    as_json: Json = False,
) -> int:
    """List a folder of a sandbox, or one file.

    Args:
        path: Its path, relative to the session's folder; that folder itself unless given.
        target: Which sandbox.
        recursive: All that is beneath it.
        as_json: Print one JSON object a line: `path`, `type` (`file`, `directory`, `symlink`, `other`), `size` (bytes), `mode`
            (permission bits), `modified` (Unix time).
    """
    return attend(_ls(path, target, recursive, as_json))


async def _ls(path: str, target: Target, recursive: bool, as_json: bool) -> None:
    from kubebox.cli._reach import reach

    async with reach(target) as reached:
        client, session_id = reached.client, reached.session_id
        known = await client.stat_file(session_id, path or ".")
        if known.type != "directory":
            entries, partial, undecodable = [known], None, 0
        else:
            listing = await client.files(session_id).list(path, depth=None if recursive else 1)
            entries = listing.entries
            partial, undecodable = listing.partial, listing.undecodable
    if as_json:
        for entry in entries:
            write_json(entry.model_dump(mode="json"))
    else:
        write_table(("MODE", "SIZE", "MODIFIED", "NAME"), [_row(entry) for entry in entries])
    if undecodable:
        tell(f"{undecodable} names are not UTF-8, and are not listed")
    if partial:
        tell(f"the listing was cut ({partial}); name a folder further down")


def _row(entry: "FileInfo") -> tuple[str, ...]:
    modified = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.modified))
    return stat.filemode(TYPES[entry.type] | entry.mode), str(entry.size), modified, entry.path
