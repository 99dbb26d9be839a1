"""A command's output, passed on as it comes: its bytes to this process's own streams, or JSON for programs."""

import base64

from kubebox._aside import STDERR, STDOUT, Aside, write_all
from kubebox._results import CommandOutput, CommandStream
from kubebox.cli._show import write_json
from kubebox_protocol.verdicts import Verdict


async def pass_output(stream: CommandStream, *, until: int | None = None, as_json: bool = False) -> None:
    """Pass on what a command writes until it ends.

    The next piece is asked for when this one was taken: who reads slowly holds the command back.

    Args:
        stream: Its output.
        until: The offset at which to stop, where the command goes on.
        as_json: Write an object for each piece instead.

    Raises:
        BrokenPipeError: Nobody takes what is written.
        KubeboxError: The output cannot be read on.
    """
    writer = Aside("output")
    try:
        async for piece in stream:
            data = piece.data if until is None else piece.data[: until - piece.offset]
            if as_json:
                await writer.do(_write_piece, piece, data)
            elif data:
                await writer.do(write_all, STDOUT if piece.type == "stdout" else STDERR, data)
            if until is not None and piece.offset + len(piece.data) >= until:
                return
    finally:
        writer.close()


def _write_piece(piece: CommandOutput, data: bytes) -> None:
    write_json(
        {
            "type": piece.type,
            "offset": piece.offset,
            "text": piece.output if len(data) == len(piece.data) else data.decode("utf-8", "replace"),
            "data": base64.b64encode(data).decode(),
        }
    )


def write_end(process_id: str, verdict: Verdict) -> None:
    """Write for programs how a command ended."""
    write_json(
        {
            "type": "ended",
            "process_id": process_id,
            "exit_code": verdict.exit_code,
            "verdict": verdict.model_dump(mode="json"),
        }
    )
