"""H22: what a command leaves behind holds its pipes, and neither its result nor its end."""

import time

import pytest

from kubebox.testing import Box

pytestmark = pytest.mark.anyio

LATE_SECONDS = 0.5
"""Seconds that a result may come after the shell's end, or after the timeout."""

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


@pytest.mark.parametrize("leftover", LEFTOVERS.values(), ids=LEFTOVERS)
async def test_the_result_comes_with_the_end_of_the_shell(box: Box, leftover: str) -> None:
    began = time.monotonic()
    process = await box.background(f"echo partial; {leftover}\n exit 7")
    verdict = await process.wait()
    assert time.monotonic() - began < LATE_SECONDS
    assert (verdict.kind, verdict.exit_code) == ("exited", 7)
    assert (await box.first_output(process.attach())).output.startswith("partial\n")
    assert (await box.client.kill_all_processes(box.session_id)).survivors == 0


@pytest.mark.parametrize("leftover", [*LEFTOVERS.values(), *STOPPED.values()], ids=[*LEFTOVERS, *STOPPED])
async def test_the_result_comes_with_the_timeout(box: Box, leftover: str) -> None:
    began = time.monotonic()
    process = await box.background(f"echo partial; {leftover}\n sleep 300", timeout=TIMEOUT_SECONDS)
    verdict = await process.wait()
    assert TIMEOUT_SECONDS <= time.monotonic() - began < TIMEOUT_SECONDS + LATE_SECONDS
    assert (verdict.kind, verdict.by) == ("timed-out", "timeout")
    assert (await box.first_output(process.attach())).output.startswith("partial\n")
    assert (await box.client.kill_all_processes(box.session_id)).survivors == 0
    assert (await box.wait("pgrep -x 'sleep|yes' | wc -l")).stdout == "0\n"


async def test_what_a_leftover_writes_later_is_still_read(box: Box) -> None:
    result = await box.wait("(until [ -e go ]; do sleep 0.01; done; echo later; touch done) & echo first")
    assert result.stdout == "first\n"
    await box.wait("touch go; until [ -e done ]; do sleep 0.01; done")
    pieces = [piece.output async for piece in box.client.attach(box.session_id, result.process_id)]
    assert "".join(pieces) == "first\nlater\n"
