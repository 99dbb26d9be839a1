"""F12: the server's clock of the wall is set back and forth while it runs; deadlines and entry are none of its business.

The clock is set for the server alone, inside of its process: a time namespace holds no clock of the wall, and the machine's own
belongs to others. What the kernel dates by itself (files, the processes' times) is not stepped along.
"""

import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from kubebox.testing import Box
from tests.soak.servers import OwnServer, own_server

pytestmark = pytest.mark.anyio

PATIENCE = 60
MARGIN_SECONDS = 3.0
STEPS = [600, -600, 40 * 24 * 3600, -3600]
"""Seconds off what is right."""

WITH_A_CLOCK_OF_ITS_OWN = """
import os, runpy, time
from pathlib import Path
right, off = time.time, Path(os.environ["OFF"])
time.time = lambda: right() + float(off.read_text())
runpy.run_module("kubebox_sandbox", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[OwnServer]:
    off = tmp_path / "off"
    off.write_text("0")
    program = [sys.executable, "-I", "-c", WITH_A_CLOCK_OF_ITS_OWN]
    async with own_server(tmp_path, program, OFF=str(off)) as server:
        yield server


def step(server: OwnServer, seconds: float) -> None:
    """Set its clock so much off."""
    draft = server.workspace.parent / "off.new"
    draft.write_text(str(seconds))
    draft.rename(server.workspace.parent / "off")


async def test_deadlines_are_held_however_the_clock_is_set(server: OwnServer) -> None:
    with anyio.fail_after(PATIENCE):
        async with server.box() as box:
            kept = await box.background("exec sleep 60")
            for seconds in STEPS:
                before = await box.background("exec sleep 60", timeout=0.5)
                began = time.monotonic()
                step(server, seconds)
                after = await box.background("exec sleep 60", timeout=0.5)
                assert [(await each.wait()).kind for each in (before, after)] == ["timed-out"] * 2
                assert 0.4 < time.monotonic() - began < MARGIN_SECONDS
                assert [0.4 < (await each.status()).duration < MARGIN_SECONDS for each in (before, after)]
            record = await kept.status()
            assert record.state == "running"
            assert 0 < record.duration < PATIENCE
            await kept.kill()


async def test_whoever_may_come_in_may_come_in_at_any_time(server: OwnServer) -> None:
    with anyio.fail_after(PATIENCE):
        async with server.box() as box:
            await box.client.write_file(box.session_id, "a", "content")
            for seconds in STEPS:
                step(server, seconds)
                assert (await box.wait("echo over events")).stdout == "over events\n"
                assert await box.client.get_file(box.session_id, "a") == "content"
                async with server.box() as another:
                    assert await another.client.get_file(box.session_id, "a") == "content"
            server.kill()
            server.start()
            assert (await box.wait("echo after a restart")).stdout == "after a restart\n"
            assert await box.client.get_file(box.session_id, "a") == "content"


async def test_what_is_kept_stays_however_the_clock_is_set(server: OwnServer) -> None:
    with anyio.fail_after(PATIENCE):
        async with server.box() as box:
            ended = await box.wait("echo kept")
            running = await box.background("echo first; until [ -e go ]; do sleep 0.01; done; echo last")
            for seconds in STEPS:
                step(server, seconds)
                server.kill()
                server.start()
                assert await _text(box, ended.process_id) == "kept\n"
            await box.client.write_file(box.session_id, "go", "")
            assert (await running.wait()).exit_code == 0
            assert await _text(box, running.process_id) == "first\nlast\n"
            assert all(record.duration >= 0 for record in await box.client.list_commands(box.session_id))


async def _text(box: Box, process_id: str) -> str:
    return "".join([piece.output async for piece in box.client.attach(box.session_id, process_id)])
