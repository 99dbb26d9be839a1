"""B12: a long stream through a line that breaks a thousand times: not a byte lost, not one twice."""

import asyncio
import bisect
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.row import Row, failed
from benchmarks.row import time as seconds_text
from benchmarks.series import Measured, Series, percentile
from benchmarks.stage import Stage
from benchmarks.stream_output import PARTS, Output
from kubebox import KubeboxError, Sandbox, SandboxClient

MOST_SECONDS: Final = 0.150
PATIENCE_SECONDS: Final = 600.0
"""Seconds for the whole stream: a thousand cuts of a tenth of a second each are a sixth of that."""

SPARE: Final = 0.7
"""The mean way between two cuts, as a share of the output for each cut: the output must outlast all cuts."""

SEED: Final = 7
LINE_BYTES: Final = 1024 * 1024
"""Bytes of the proxy's last line: a thousand times of 20 bytes are a fiftieth of that."""


@dataclass
class Arrived:
    """What came out of the stream.

    Attributes:
        pieces: The bytes.
        times: When each came, in seconds of the monotonic clock.
    """

    pieces: list[bytes] = field(default_factory=list[bytes])
    times: list[float] = field(default_factory=list[float])


async def cut_connections(stage: Stage) -> list[Row]:
    """Once: what counts is each of the cuts."""
    effort = stage.effort
    output = Output("random", os.urandom(effort.stream_bytes // PARTS))
    mean = int(effort.stream_bytes / effort.cuts * SPARE)
    arrived, why = Arrived(), ""
    async with Sandbox.create("local") as sandbox:
        await sandbox.files.write(output.name, output.content)
        async with proxy(urlsplit(sandbox.client.url).port or 0, effort.cuts, mean) as line:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await _stream(line, sandbox.session_id, output, arrived)
                output.check(arrived.pieces)
            except (KubeboxError, TimeoutError, ValueError) as error:
                why = f"{type(error).__name__}: {error}"
    stalls = stalls_after(line.cuts, arrived.times)
    stage.kept["B12 cuts"] = Measured({"seconds without a byte after a cut": Series([stalls])})
    return [_exactness(output, arrived, line, effort.cuts, why), _resumption(stalls, why)]


class Line:
    """The way through the proxy.

    Attributes:
        url: Its near end.
        cuts: When it was cut; known at its end.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"
        self.cuts: list[float] = []

    def begin(self) -> None:
        """Cut from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"begin\n")

    async def end(self) -> None:
        """Learn when it was cut."""
        output, _ = await self._process.communicate(b"")
        self.cuts = json.loads(output)


@asynccontextmanager
async def proxy(port: int, cuts: int, mean: int) -> AsyncGenerator[Line]:
    """Have a proxy before a server.

    Args:
        port: The server's.
        cuts: How many connections it cuts.
        mean: Bytes until a cut.
    """
    arguments = [str(Path(__file__).with_name("cutting_proxy.py")), *map(str, (port, cuts, mean, SEED))]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=pipe, stdout=pipe, limit=LINE_BYTES
    )
    assert process.stdout is not None
    line = Line(process, int(await process.stdout.readline()))
    try:
        yield line
    finally:
        await line.end()


async def _stream(line: Line, session_id: str, output: Output, arrived: Arrived) -> None:
    async with SandboxClient(url=line.url) as client:
        line.begin()
        stream = await client.run_command(session_id, output.command())
        async for piece in stream:
            arrived.times.append(time.monotonic())
            arrived.pieces.append(piece.data)
        if stream.dropped_bytes:
            raise ValueError(f"{stream.dropped_bytes} bytes were dropped")


def stalls_after(cuts: Sequence[float], times: Sequence[float]) -> list[float]:
    """For each cut the longest time without a byte that it can have caused: until the next cut, or the end.

    What was under way before the cut may come after it, so the first byte after it does not tell.
    """
    stalls: list[float] = []
    for cut, following in itertools.pairwise([*cuts, float("inf")]):
        first = max(0, bisect.bisect(times, cut) - 1)
        last = bisect.bisect(times, following) + 1
        gaps = [after - before for before, after in itertools.pairwise(times[first:last])]
        if gaps:
            stalls.append(max(gaps))
    return stalls


def _exactness(output: Output, arrived: Arrived, line: Line, wanted: int, why: str) -> Row:
    name = f"B12 stream of {output.mebibytes:g} MiB over {wanted} random cuts"
    gate = "sha256-equal: 0 bytes lost, 0 twice"
    length = sum(map(len, arrived.pieces))
    if why:
        return failed(name, f"after {len(line.cuts)} cuts and {length / 1024**2:.1f} MiB: {why}", gate)
    seconds = seconds_text(arrived.times[-1] - arrived.times[0])
    return Row(name, f"equal after {len(line.cuts)} cuts, in {seconds}", gate, len(line.cuts) == wanted)


def _resumption(stalls: Sequence[float], why: str) -> Row:
    name = "B12 time without a byte after a cut, p99"
    gate = f"at most {seconds_text(MOST_SECONDS)}"
    if why or not stalls:
        return failed(name, "the stream did not outlast its cuts" if why else "no cut came", gate)
    value = percentile(stalls, 0.99)
    return Row(
        name,
        f"{seconds_text(value)}, p50 {seconds_text(percentile(stalls, 0.5))}, longest {seconds_text(max(stalls))}",
        gate,
        value <= MOST_SECONDS,
    )
