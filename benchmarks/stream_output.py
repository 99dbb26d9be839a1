"""B6: a long output, as it streams, equal to the last byte: random bytes, short lines, and one long line."""

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import raw
from benchmarks.measure import Contestant, Operation, once
from benchmarks.row import Row, at_least, failed, rate, share, success
from benchmarks.series import Measured
from benchmarks.stage import KERNEL_GATEWAY, KUBEBOX, RAW, Stage
from kubebox import Sandbox

MEBIBYTE: Final = 1024**2
LEAST_RATE: Final = 100.0
"""MiB a second."""

LEAST_OF_RAW: Final = 0.15
LEAST_OF_KERNEL_GATEWAY: Final = 12.0

PARTS: Final = 4
"""How many times `cat` reads the same file: no producer is faster, and the sandbox holds a quarter."""

LINE: Final = b"x" * 79 + b"\n"
KERNEL_LINES: Final = 20_000
"""Lines that the kernel prints: 1.5 MiB, which take it a fifth of a second."""


@dataclass(frozen=True)
class Output:
    """What a command shall write.

    Attributes:
        name: Of the file that it reads.
        content: The file.
        parts: How many times it reads it.
    """

    name: str
    content: bytes
    parts: int = PARTS

    @property
    def mebibytes(self) -> float:
        """Of all of it."""
        return len(self.content) * self.parts / MEBIBYTE

    def command(self, folder: str = "") -> list[str]:
        """Writes it."""
        return ["cat", *[os.path.join(folder, self.name)] * self.parts]

    def check(self, pieces: Sequence[bytes]) -> None:
        """Refuse anything else than exactly this output."""
        expected, got = hashlib.sha256(), hashlib.sha256()
        for _ in range(self.parts):
            expected.update(self.content)
        for piece in pieces:
            got.update(piece)
        if got.digest() != expected.digest():
            length = sum(map(len, pieces))
            raise ValueError(f"not equal: {length} bytes of {len(self.content) * self.parts}")


async def stream_output(stage: Stage) -> list[Row]:
    """Each output through the sandbox and through a pipe, in turn."""
    part = stage.effort.stream_bytes // PARTS
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox.create("local") as sandbox:
            binary = await _measure(stage, sandbox, folder, Output("random", os.urandom(part)))
            lines = await _measure(stage, sandbox, folder, Output("lines", LINE * (part // len(LINE))))
            line = Output("line", b"x" * (stage.effort.line_bytes - 1) + b"\n", 1)
            one_line = await _measure(stage, sandbox, folder, line)
    size = f"{stage.effort.stream_bytes // MEBIBYTE} MiB"
    long = f"one line of {stage.effort.line_bytes / 1e6:g} MB"
    kernel = "B6 lines / Jupyter Kernel Gateway's `print`"
    return [
        _rate(f"B6 stream {size} of random bytes, sha256-equal", binary),
        share("B6 random bytes / raw pipe", binary, KUBEBOX, RAW, LEAST_OF_RAW, rate),
        _rate(f"B6 stream {size} in lines of {len(LINE)} bytes, sha256-equal", lines),
        share("B6 lines / raw pipe", lines, KUBEBOX, RAW, LEAST_OF_RAW, rate),
        at_least(kernel, lines, KERNEL_GATEWAY, KUBEBOX, LEAST_OF_KERNEL_GATEWAY, show=rate),
        _rate(f"B6 stream {long}, sha256-equal", one_line),
        share("B6 one long line / raw pipe", one_line, KUBEBOX, RAW, LEAST_OF_RAW, rate),
    ]


async def _measure(stage: Stage, sandbox: Sandbox, folder: str, output: Output) -> Measured:
    await asyncio.to_thread(Path(folder, output.name).write_bytes, output.content)
    await sandbox.files.write(output.name, output.content)
    contestants = [
        Contestant(KUBEBOX, once(_ours(sandbox, output))),
        Contestant(RAW, once(_raw(folder, output))),
    ]
    if stage.gateway is not None and output.name == "lines":
        contestants.append(Contestant(KERNEL_GATEWAY, once(_kernel(stage))))
    return await stage.interleave(f"B6 {output.name}", contestants, repeats=1)


def _ours(sandbox: Sandbox, output: Output) -> Operation:
    async def operation() -> float:
        started = time.perf_counter()
        stream = await sandbox.stream(output.command())
        pieces = [piece.data async for piece in stream]
        seconds = time.perf_counter() - started
        stream.check()
        output.check(pieces)
        return seconds / output.mebibytes

    return operation


def _raw(folder: str, output: Output) -> Operation:
    async def operation() -> float:
        started = time.perf_counter()
        pieces = await raw.read(output.command(folder))
        seconds = time.perf_counter() - started
        output.check(pieces)
        return seconds / output.mebibytes

    return operation


def _kernel(stage: Stage) -> Operation:
    gateway = stage.gateway
    assert gateway is not None

    async def operation() -> float:
        started = time.perf_counter()
        text = await gateway.run(f"for _ in range({KERNEL_LINES}): print('x' * {len(LINE) - 1})")
        seconds = time.perf_counter() - started
        if text.encode() != LINE * KERNEL_LINES:
            raise ValueError(f"not equal: {len(text)} characters")
        return seconds / (KERNEL_LINES * len(LINE) / MEBIBYTE)

    return operation


def _rate(name: str, measured: Measured) -> Row:
    gate = f"at least {LEAST_RATE:g} MiB/s"
    missing = measured.why_missing(KUBEBOX)
    if missing is not None:
        return failed(name, missing, gate)
    series = measured.series[KUBEBOX]
    held = series.success / series.median >= LEAST_RATE
    return Row(name, f"{rate(series.median)}; {success(series)}", gate, held)
