"""H22-H25: a killed command is gone with its whole tree; orphans and fork bombs harm nobody."""

import time

import httpx2
import pytest

from kubebox import errors
from kubebox.testing import Box
from tests.conftest import Local

pytestmark = pytest.mark.anyio

TREE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def spawn(depth):
    for number in range(7):
        if os.fork() == 0:
            if number % 3 == 0: os.setsid()
            if depth: spawn(depth - 1)
            signal.pause()
            os._exit(0)
spawn(1)
time.sleep(0.3)
print("ready", flush=True)
signal.pause()
"""
"""56 processes that ignore SIGTERM, a third of them in sessions of their own."""

BOMB = """
import os, signal
made = 0
try:
    while made < 3000:
        if os.fork() == 0:
            signal.pause()
            os._exit(0)
        made += 1
except BlockingIOError:
    print("full after", made, flush=True)
else:
    print("no limit", flush=True)
signal.pause()
"""
"""A fork bomb with a fuse: where no limit holds it, it stops by itself instead of taking the machine along."""

COUNT = "set -- /proc/[0-9]*; echo $#"  # forks nothing that would count itself


async def count(box: Box) -> int:
    return int((await box.wait(COUNT)).stdout)


async def test_a_tree_is_gone_at_once_when_killed(box: Box) -> None:
    """H23: TERM-ignoring processes in new sessions are gone, 20 rounds, no survivor."""
    before = await count(box)
    times: list[float] = []
    for _ in range(20):
        process = await box.background(["python3", "-c", TREE])
        async for _ in process.attach():
            break
        started = time.monotonic()
        await process.kill(grace=0)
        times.append(time.monotonic() - started)
    assert await count(box) == before
    assert sorted(times)[-2] < 1.0, times


async def test_forking_during_the_kill_does_not_help(box: Box) -> None:
    """H23: a tree that forks as fast as it can while it is killed is gone too."""
    before = await count(box)
    for _ in range(5):
        process = await box.background(
            "f() { (sleep 0.01; f) & (setsid sleep 5 &) ; sleep 0.02; }; echo go; f; f; f; wait"
        )
        async for _ in process.attach():
            break
        await process.kill(grace=0)
    assert await count(box) == before


async def test_thousands_of_orphans_leave_no_zombie(box: Box) -> None:
    """H24: orphans are reaped, and exit codes are not stolen."""
    spawn = "i=0; while [ $i -lt 2000 ]; do (exit 7 &) ; i=$((i+1)); done; exit 9"
    assert (await box.wait(spawn)).exit_code == 9
    result = await box.wait("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z'")
    assert int(result.stdout) <= 1  # one may be on its way out at this very moment


async def test_a_fork_bomb_ends_with_its_kill(box: Box, local: Local) -> None:
    """H25: at the process limit the server answers, a start is refused as exhausted, and a kill brings all back."""
    bomb = await box.background(["python3", "-c", BOMB])
    async for piece in bomb.attach():
        assert piece.output.startswith("full after"), piece.output
        break
    async with httpx2.AsyncClient(base_url=local.url) as http:
        slowest = 0.0
        for _ in range(50):
            started = time.monotonic()
            assert (await http.get("/healthz")).status_code == 200
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1.0
    with pytest.raises(errors.WorkspaceExhausted):
        await box.wait("true", timeout=5)
    await bomb.kill(grace=0)
    await box.client.kill_all_processes(box.session_id)
    assert (await box.wait("echo recovered")).stdout == "recovered\n"


async def test_a_thousand_sleepers_are_killed_and_the_next_command_runs(box: Box) -> None:
    """Many children at once: started, killed, and nothing is in the way of the next."""
    before = await count(box)
    process = await box.background("for i in $(seq 1 300); do sleep 100 & done; echo ready; wait")
    async for _ in process.attach():
        break
    await process.kill(grace=0)
    assert await count(box) == before
