"""H22: what a command leaves behind holds its pipes, and neither its result nor its end."""

import time
from collections.abc import Awaitable, Callable

import pytest

from kubebox.testing import Box

pytestmark = pytest.mark.anyio

LATE_SECONDS = 0.5
"""Seconds that a result may come after the shell's end, or after the timeout."""

TRIES = 3
"""How often it may come late, on account of a busy machine: what waits for a leftover does so every time."""

TIMEOUT_SECONDS = 0.3

LEFTOVERS = {
    "a job": "sleep 300 &",
    "nohup": "nohup sleep 300 >/dev/stdout 2>&1 &",
    "a session of its own": "setsid sleep 300 &",
    "a double fork": "(sh -c 'sleep 300 &' &)",
    "one that writes": "(while :; do echo more; sleep 0.1; done) &",
    "one that floods": "yes &",
}
STOPPED = {"one that is stopped": "sh -c 'kill -STOP $$' &"}
"""It takes no SIGTERM, so whoever kills it waits for the grace."""


async def least(took: Callable[[], Awaitable[float]], enough: float) -> float:
    """The least seconds that something takes in some tries, or the first that are few enough."""
    seconds = await took()
    for _ in range(TRIES - 1):
        if seconds < enough:
            break
        seconds = min(seconds, await took())
    return seconds


@pytest.mark.parametrize("leftover", LEFTOVERS.values(), ids=LEFTOVERS)
async def test_the_result_comes_with_the_end_of_the_shell(box: Box, leftover: str) -> None:
    async def took() -> float:
        began = time.monotonic()
        process = await box.background(f"echo partial; {leftover}\n exit 7")
        verdict = await process.wait()
        seconds = time.monotonic() - began
        assert (verdict.kind, verdict.exit_code) == ("exited", 7)
        assert (await box.first_output(process.attach())).output.startswith("partial\n")
        assert (await box.client.kill_all_processes(box.session_id)).survivors == 0
        return seconds

    assert await least(took, LATE_SECONDS) < LATE_SECONDS


@pytest.mark.parametrize("leftover", [*LEFTOVERS.values(), *STOPPED.values()], ids=[*LEFTOVERS, *STOPPED])
async def test_the_result_comes_with_the_timeout(box: Box, leftover: str) -> None:
    async def took() -> float:
        began = time.monotonic()
        process = await box.background(f"echo partial; {leftover}\n sleep 300", timeout=TIMEOUT_SECONDS)
        verdict = await process.wait()
        seconds = time.monotonic() - began
        assert seconds >= TIMEOUT_SECONDS
        assert (verdict.kind, verdict.by) == ("timed-out", "timeout")
        assert (await box.first_output(process.attach())).output.startswith("partial\n")
        assert (await box.client.kill_all_processes(box.session_id)).survivors == 0
        assert (await box.wait("pgrep -x 'sleep|yes' | wc -l")).stdout == "0\n"
        return seconds

    late = TIMEOUT_SECONDS + LATE_SECONDS
    assert await least(took, late) < late


async def test_what_a_leftover_writes_later_is_still_read(box: Box) -> None:
    result = await box.wait("(until [ -e go ]; do sleep 0.01; done; echo later; touch done) & echo first")
    assert result.stdout == "first\n"
    await box.wait("touch go; until [ -e done ]; do sleep 0.01; done")
    pieces = [piece.output async for piece in box.client.attach(box.session_id, result.process_id)]
    assert "".join(pieces) == "first\nlater\n"
