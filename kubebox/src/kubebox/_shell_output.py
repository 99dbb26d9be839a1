"""A part of an output: from one offset up to another one."""

from typing import Final
from uuid import UUID

from kubebox._collect import Collector
from kubebox._output import OutputReader
from kubebox._transport.base import Transport
from kubebox.errors import OffsetExpired
from kubebox_protocol.output import ExecutionEnded, OutputChunk

MAX_TRIES: Final = 3
"""Times that the beginning is asked for, where more of it is dropped between a question and its answer."""


async def read_part(
    transport: Transport, session_id: str, execution_id: UUID, start: int, end: int
) -> Collector:
    """Collect what is still held of an output between two offsets. It takes the place of this client's other reader."""
    reader = OutputReader(transport, session_id, execution_id, start)
    collector = Collector()
    try:
        await _attach(reader, collector)
        while reader.offset < end:
            happening = await reader.next()
            if isinstance(happening, ExecutionEnded):
                break
            if isinstance(happening, OutputChunk):
                data = happening.data[: end - happening.offset]
                collector.add(happening.model_copy(update={"data": data}))
            else:
                collector.skip()
    finally:
        await reader.detach()
    return collector


async def _attach(reader: OutputReader, collector: Collector) -> None:
    for _ in range(MAX_TRIES - 1):
        try:
            await reader.attach(again=True)
            return
        except OffsetExpired as expired:
            collector.skip()
            reader.offset = int(expired.data["first_offset"])
    await reader.attach(again=True)
