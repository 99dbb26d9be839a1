"""Writing files, and changing them in place."""

import base64
import binascii
from typing import Literal

from pydantic import Field

from kubebox.errors import InvalidArgument
from kubebox.mcp.tool import CHANGES, Call, Told, tool
from kubebox.mcp.tools.sandboxes import OneSandbox


class OneFile(OneSandbox):
    """Arguments of what is done to a file."""

    path: str = Field(description="Its path, relative to /workspace, or absolute beneath it.")


class WriteFile(OneFile):
    """Arguments of `write_file`."""

    content: str
    encoding: Literal["utf-8", "base64"] = Field(
        default="utf-8", description="What content is; base64 for a file that is no text."
    )
    append: bool = Field(default=False, description="Write at its end instead of replacing it.")


class EditFile(OneFile):
    """Arguments of `edit_file`."""

    old_text: str = Field(
        min_length=1, description="The text to replace, exactly as it is in the file, with its blanks."
    )
    new_text: str = Field(description="What takes its place.")
    expected_count: int | None = Field(
        default=1,
        ge=1,
        description="How often old_text must be there; null for at least once. All are replaced.",
    )


class Written(Told):
    """A file that was written."""

    path: str
    size: int = Field(description="Bytes of the whole file now.")


class Edited(Written):
    """A file that was edited."""

    replaced: int = Field(description="How often old_text was replaced.")


@tool(CHANGES)
async def write_file(asked: WriteFile, call: Call) -> Written:
    """Write a file, with the folders it needs. It is replaced whole, in one step, unless you append."""
    files = call.find(asked.sandbox_id).sandbox.files
    content = _content(asked)
    if asked.append:
        appended = await files.append(asked.path, content)
        return Written(path=appended.path, size=appended.size)
    written = await files.write(asked.path, content)
    return Written(path=written.path, size=written.size)


@tool(CHANGES)
async def edit_file(asked: EditFile, call: Call) -> Edited:
    """Replace a text in a file.

    Where it is not there exactly expected_count times, nothing changes, and the error says how often it is there: give more
    of the lines around it.
    """
    files = call.find(asked.sandbox_id).sandbox.files
    edited = await files.edit(asked.path, asked.old_text, asked.new_text, count=asked.expected_count)
    return Edited(path=edited.path, size=edited.size, replaced=edited.replaced)


def _content(asked: WriteFile) -> bytes:
    if asked.encoding == "base64":
        try:
            return base64.b64decode(asked.content, validate=True)
        except binascii.Error as error:
            raise InvalidArgument(f"content: is not base64: {error}") from None
    return asked.content.encode()
