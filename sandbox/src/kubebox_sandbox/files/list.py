"""Listing what is beneath a folder.

Init writes entries into a pipe, a worker thread reads, matches and sorts them.
"""

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.files import FileInfo, FileList, FileType, ListFiles
from kubebox_protocol.limits import MAX_LIST_SECONDS, MAX_PATH_BYTES
from kubebox_sandbox.files.failures import file_refusal
from kubebox_sandbox.files.patterns import Pattern, compile_patterns
from kubebox_sandbox.files.threads import FileThreads
from kubebox_sandbox.sessions import Session
from kubebox_sandbox.workspace import Failed, Workspace, said
from kubebox_sandbox.workspace.descriptors import new_pipe
from kubebox_sandbox.workspace.messages import FILE_TYPES, Listed, Misbehaved

MAX_WALKED_ENTRIES: Final = 1_000_000
"""Entries that one listing looks at, where patterns keep only some of them."""

READ_BYTES: Final = 256 * 1024
"""Bytes of one read from the pipe: some thousand records at a time."""

MAX_RECORD_BYTES: Final = MAX_PATH_BYTES + 128
"""Bytes of one record: a path, and four numbers of at most 20 digits with what is between them."""

ANSWER_SECONDS: Final = 10.0
"""Seconds for init's answer, beyond the listing's own time: an inner deadline must end before the outer one."""

READ_SECONDS: Final = 1.0
"""Seconds for the last of the records, beyond the listing's own time."""

Partial = Literal["entries", "time", "error"]


@dataclass
class _Found:
    entries: list[FileInfo] = field(default_factory=list[FileInfo])
    partial: Partial | None = None
    undecodable: int = 0


async def list_files(
    workspace: Workspace, threads: FileThreads, session: Session, request: ListFiles
) -> bytes:
    """List files.

    Returns:
        A `FileList` as JSON: it can be large, so it is put together in the thread too.

    Raises:
        Refused: A pattern is not valid, or the folder cannot be listed.
    """
    patterns = compile_patterns(request.regexes) if request.regexes is not None else None
    place = session.place(request.path)
    prefix = _prefix(session.relative(request.path))
    filtered = patterns is not None or request.files_only
    await workspace.arrives()
    reading, writing = new_pipe()
    os.set_blocking(reading, False)
    end = _ReadEnd(reading)
    try:
        fields = {
            **place,
            "max_entries": MAX_WALKED_ENTRIES if filtered else request.max_entries,
            "max_ms": round(MAX_LIST_SECONDS * 1000),
            "max_depth": request.depth or 0,
        }
        answer = workspace.ask(
            "list", fields, descriptors=[writing], deadline=MAX_LIST_SECONDS + ANSWER_SECONDS
        )
    except BaseException:  # Not asked, so nobody will read.
        end.close()
        raise
    finally:
        os.close(writing)
    deadline = time.monotonic() + MAX_LIST_SECONDS + READ_SECONDS
    try:
        found = await threads.run(_collect, end, request, prefix, patterns, deadline)
    except Misbehaved as misbehaved:
        answer.cancel()
        raise Refused(
            ErrorCode.WORKSPACE_MISBEHAVED, f"the workspace listed nonsense: {misbehaved}"
        ) from None
    except BaseException:  # Without a report nobody waits for the answer.
        answer.cancel()
        raise
    finally:
        end.close()
    if found.partial is None:
        try:
            listed = said(Listed, (await answer).fields)
        except Failed as failed:
            raise file_refusal(failed, request.path) from None
        found.partial = listed.partial or None
    else:
        answer.cancel()  # We have stopped reading, so its own report means nothing.
    return await threads.run(_as_json, found)


class _ReadEnd:
    """The read end of a pipe. Whoever takes it closes it: the thread, or its caller where no thread was free in time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptors = [descriptor]

    def take(self) -> int | None:
        """The descriptor, for whoever asks first."""
        try:
            return self._descriptors.pop()  # One step, as threads see it.
        except IndexError:
            return None

    def close(self) -> None:
        """Close it, unless somebody has taken it."""
        descriptor = self.take()
        if descriptor is not None:
            os.close(descriptor)


def _collect(
    end: _ReadEnd, request: ListFiles, prefix: str, patterns: list[Pattern] | None, deadline: float
) -> _Found:
    found = _Found()
    reading = end.take()
    if reading is None:
        return found  # It was given up just before it began.
    try:
        for record in _records(reading, found, deadline):
            kind, mode, size, modified, name = _parse(record)
            try:
                path = name.decode()
            except UnicodeDecodeError:
                found.undecodable += 1
                continue
            if request.files_only and kind == "directory":
                continue
            if patterns is not None and not any(pattern.search(prefix + path) for pattern in patterns):
                continue
            if len(found.entries) >= request.max_entries:
                found.partial = "entries"
                break
            found.entries.append(
                FileInfo(path=path, type=kind, size=size, mode=mode, modified=modified / 1e9)
            )
    finally:
        os.close(reading)
    found.entries.sort(key=lambda entry: entry.path)
    return found


def _records(reading: int, found: _Found, deadline: float) -> Iterator[bytes]:
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            found.partial = "time"
            return
        data = os.read(reading, READ_BYTES)
        if not data:
            if rest:
                raise Misbehaved("an entry that ends in the middle")
            return
        *records, rest = (rest + data).split(b"\0")
        if len(rest) > MAX_RECORD_BYTES:
            raise Misbehaved("an entry that does not end")
        yield from records


def _parse(record: bytes) -> tuple[FileType, int, int, int, bytes]:
    if len(record) > MAX_RECORD_BYTES:
        raise Misbehaved("an entry that is too long")
    parts = record.split(b" ", 4)
    try:
        kind, mode, size, modified, name = parts
        numbers = int(mode[:8], 8), int(size[:20]), int(modified[:21])
        return FILE_TYPES[kind.decode()], numbers[0] & 0o7777, max(0, numbers[1]), numbers[2], name
    except (ValueError, KeyError):
        raise Misbehaved("an entry that is none") from None


def _prefix(folder: str) -> str:
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    return "/".join(parts) + "/" if parts else ""


def _as_json(found: _Found) -> bytes:
    listing = FileList(entries=found.entries, partial=found.partial, undecodable=found.undecodable)
    return listing.model_dump_json().encode()
