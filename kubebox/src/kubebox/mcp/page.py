"""A page of a command's output: what is there from an offset on, up to a limit, without waiting for its end."""

import asyncio
import base64
import contextlib
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from kubebox import BackgroundProcess, CommandOutput, Execution
from kubebox.errors import OffsetBeyondEnd
from kubebox.mcp.excerpt import begun_character, is_binary
from kubebox_protocol.output import OutputType

Encoding = Literal["utf-8", "base64"]


@dataclass
class Piece:
    """Bytes of one stream.

    Attributes:
        stream: Theirs.
        data: The bytes.
    """

    stream: OutputType
    data: bytes

    def text(self, encoding: Encoding) -> str:
        """The same as text; of UTF-8, what does not decode becomes U+FFFD."""
        if encoding == "base64":
            return base64.b64encode(self.data).decode()
        return self.data.decode("utf-8", "replace")


@dataclass
class Page:
    """A part of a command's output.

    Attributes:
        record: The command's, as it was just before.
        next_offset: Where the next page begins.
        left_out: Bytes in it that the sandbox no longer has.
        pieces: In the order in which they were written.
    """

    record: Execution
    next_offset: int
    left_out: int = 0
    pieces: list[Piece] = field(default_factory=list[Piece])

    @property
    def binary(self) -> bool:
        """Whether it is no text."""
        return any(is_binary(piece.data) for piece in self.pieces)

    def add(self, output: CommandOutput, until: int) -> None:
        """Take what was written next, as far as the page goes."""
        data = output.data[: until - output.offset]
        self.left_out += output.offset - self.next_offset
        self.next_offset = output.offset + len(data)
        if self.pieces and self.pieces[-1].stream == output.type:
            self.pieces[-1].data += data
        elif data:
            self.pieces.append(Piece(output.type, data))

    def leave_begun_character(self) -> None:
        """Leave a character that is only begun to the next page, unless there is nothing else in this one."""
        last = self.pieces[-1].data if self.pieces else b""
        begun = begun_character(last)
        if 0 < begun < len(last):
            self.pieces[-1].data = last[:-begun]
            self.next_offset -= begun


async def read_page(
    process: BackgroundProcess, offset: int, limit: int, wait: float, encoding: Encoding
) -> Page:
    """Read what is there.

    Args:
        process: Whose output.
        offset: The first byte wanted, both streams counted together.
        limit: Bytes at most.
        wait: Seconds to wait for the first byte, or the end, where there is nothing yet.
        encoding: As what it will be shown; text is not cut within a character.

    Raises:
        OffsetExpired: That part is no longer held.
        OffsetBeyondEnd: There was never so much.
    """
    record = await process.status()
    if offset > record.end_offset:
        raise OffsetBeyondEnd(
            f"offset {offset}: it has written {record.end_offset} bytes", end_offset=record.end_offset
        )
    if record.state == "running" and record.end_offset == offset and wait > 0:
        await _wait_for_more(process, offset, wait)
        record = await process.status()
    page, until = Page(record, offset), min(record.end_offset, offset + limit)
    if offset < until:
        async with process.attach(offset) as stream, aclosing(aiter(stream)) as outputs:
            async for output in outputs:
                page.add(output, until)
                if page.next_offset >= until:
                    break
    if encoding == "utf-8" and not (record.state == "ended" and page.next_offset >= record.end_offset):
        page.leave_begun_character()
    return page


async def _wait_for_more(process: BackgroundProcess, offset: int, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(seconds),
            process.attach(offset) as stream,
            aclosing(aiter(stream)) as outputs,
        ):
            await anext(outputs, None)
