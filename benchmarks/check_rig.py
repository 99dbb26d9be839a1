"""The rig itself: a round trip to an echo server in another process, which nothing that we measure can beat."""

import asyncio
import sys
from pathlib import Path

from benchmarks import raw
from benchmarks.measure import Contestant, once, timed
from benchmarks.row import Row, at_most
from benchmarks.stage import RAW, Stage

ECHO = "echo"
PING = b"x" * 64
MOST_OF_RAW = 0.25
"""As a share of starting a process: with more, the figures would be those of the rig."""


async def check_rig(stage: Stage) -> list[Row]:
    """The echo, and the start of a process, in turn."""
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("echo.py")), stdin=pipe, stdout=pipe
    )
    assert server.stdout is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", int(await server.stdout.readline()))

    async def ping() -> float:
        async def round_trip() -> None:
            writer.write(PING)
            await reader.readexactly(len(PING))

        return await timed(round_trip())

    contestants = [
        Contestant(ECHO, once(ping)),
        Contestant(RAW, once(lambda: timed(raw.run("true")))),
    ]
    measured = await stage.interleave("rig", contestants, repeats=stage.effort.repeats)
    writer.close()
    await server.communicate(b"")
    return [at_most("rig: echo over TCP to another process / raw `true`", measured, ECHO, RAW, MOST_OF_RAW)]
