"""Reading files and folders."""

import base64
import io
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from kubebox.errors import FileNotText, InvalidArgument, PayloadTooLarge
from kubebox.mcp.limits import FILE_BYTES, FILE_LINES, LIST_ENTRIES, MAX_FILE_BYTES
from kubebox.mcp.tool import READS, Call, Told, tool
from kubebox.mcp.tools.editing import OneFile
from kubebox.mcp.tools.sandboxes import OneSandbox
from kubebox_protocol.files import FileInfo, FileType


class ReadFile(OneFile):
    """Arguments of `read_file`."""

    start_line: int = Field(default=1, ge=1, description="The first line wanted, from 1 on.")
    max_lines: int = Field(default=FILE_LINES, ge=1, le=100_000, description="Lines at most.")
    encoding: Literal["utf-8", "base64"] = Field(
        default="utf-8",
        description="base64 for a file that is no text; then all of it is given, and lines do not count.",
    )


class ListFiles(OneSandbox):
    """Arguments of `list_files`."""

    path: str = Field(default="", description="The folder, relative to /workspace, which it is unless given.")
    recursive: bool = Field(default=False, description="With all that is beneath it.")
    patterns: list[str] | None = Field(
        default=None, description="Regular expressions (RE2): only paths in which one of them is found."
    )


class FileTold(Told):
    """A part of a file, or all of it."""

    path: str
    content: str
    start_line: int = Field(description="The line that content begins with.")
    lines: int = Field(description="How many lines content has.")
    total_lines: int
    size: int = Field(description="Bytes of the whole file.")
    next_line: int | None = Field(description="The start_line to read on with; null where this was the rest.")
    cut: bool = Field(
        default=False, description="Whether the last line here is too long to be given whole, and was cut."
    )


class EntryTold(Told):
    """What is in a folder."""

    path: str
    type: FileType
    size: int = Field(description="Bytes.")


class FolderTold(Told):
    """What is in a folder."""

    entries: list[EntryTold]
    left_out: int = Field(description="How many more there are; patterns or a folder further down narrow it.")
    incomplete: str | None = Field(
        default=None, description="Why not all of the folder was looked through, where that is so."
    )


@tool(READS)
async def read_file(asked: ReadFile, call: Call) -> FileTold:
    """Read a text file, or some of its lines. A long file comes in parts: next_line says where to go on."""
    files = call.find(asked.sandbox_id).sandbox.files
    size, most = (await files.stat(asked.path)).size, MAX_FILE_BYTES
    if asked.encoding == "base64":
        most = FILE_BYTES
    if size > most:
        raise PayloadTooLarge(
            f"{asked.path} has {size} bytes, and this reads {most}; run_command with grep, sed -n, head or tail shows parts",
            path=asked.path,
            size=size,
            limit=most,
        )
    data = await files.read_bytes(asked.path)
    if asked.encoding == "base64":
        return _whole(asked.path, data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise FileNotText(
            f"{asked.path} is no UTF-8 text; encoding=base64 gives its bytes, run_command with xxd or file looks into it",
            path=asked.path,
        ) from None
    return _told(asked, text, len(data))


@tool(READS)
async def list_files(asked: ListFiles, call: Call) -> FolderTold:
    """List a folder of a sandbox, by path."""
    files = call.find(asked.sandbox_id).sandbox.files
    depth = None if asked.recursive else 1
    found = await files.list(asked.path, depth=depth, regexes=asked.patterns)
    return FolderTold(
        entries=[_entry(entry) for entry in found.entries[:LIST_ENTRIES]],
        left_out=max(0, len(found.entries) - LIST_ENTRIES),
        incomplete=found.partial,
    )


def _entry(entry: FileInfo) -> EntryTold:
    return EntryTold(path=entry.path, type=entry.type, size=entry.size)


def _whole(path: str, data: bytes) -> FileTold:
    content = base64.b64encode(data).decode()
    return FileTold(
        path=path, content=content, start_line=1, lines=0, total_lines=0, size=len(data), next_line=None
    )


@dataclass(frozen=True)
class _Part:
    """Lines that fit into an answer."""

    content: str
    lines: int
    cut: bool


def _told(asked: ReadFile, text: str, size: int) -> FileTold:
    lines = list(
        io.StringIO(text, newline="\n")
    )  # as editors count them: str.splitlines() knows other ends too
    first = asked.start_line - 1
    if first and first >= len(lines):
        raise InvalidArgument(f"start_line: {asked.path} has {len(lines)} lines")
    part = _part(lines[first : first + asked.max_lines])
    after = first + part.lines
    return FileTold(
        path=asked.path,
        content=part.content,
        start_line=asked.start_line,
        lines=part.lines,
        total_lines=len(lines),
        size=size,
        next_line=after + 1 if after < len(lines) else None,
        cut=part.cut,
    )


def _part(lines: list[str]) -> _Part:
    taken, size = list[str](), 0
    for line in lines:
        encoded = line.encode()
        if size + len(encoded) > FILE_BYTES:
            if not taken:
                return _Part(encoded[:FILE_BYTES].decode("utf-8", "ignore"), 1, True)
            break
        taken.append(line)
        size += len(encoded)
    return _Part("".join(taken), len(taken), False)
