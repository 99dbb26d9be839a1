"""H22-H25: a killed command is gone with its whole tree; orphans and fork bombs harm nobody."""

import time

import httpx2
import pytest

from kubebox import errors
from kubebox.testing import Box
from tests.soak.places import Place, own_place
from tests.soak.sizes import LIMIT, SHARE, figure, milliseconds, percentile, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

ROUNDS = sized(10, 200)
KILL_SHARE = sized(80, 99)
"""Ten rounds have no 90th percentile but their second longest."""

KILL_SECONDS = sized(1.0, 0.1)
"""Within this time a tree of two hundred is gone. In the short form the machine is other tests' too."""

ORPHANS = sized(1000, 10_000)
HEALTHY_SECONDS = 1.0

TREE = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
made, there = 1, os.pipe()
def settle(number):
    if number % 3 == 0: os.setsid()
    if number % 5 == 0: os.environ.clear()
    os.write(there[1], b".")
    if number % 7 == 0: os.kill(os.getpid(), signal.SIGSTOP)
    while True: signal.pause()
for branch in range(14):
    if os.fork() == 0:
        for twig in range(13):
            if os.fork() == 0: settle(branch * 13 + twig)
        settle(branch)
said = b""
while len(said) < 14 * 14: said += os.read(there[0], 200)
for last in range(3):
    if os.fork() == 0: settle(1)
print("ready", flush=True)
settle(1)
"""
"""Two hundred processes that ignore SIGTERM; some have sessions of their own, some no environment, some stand still."""

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
    """H23: processes that ignore TERM, in sessions of their own, without environment, stopped: no survivor in any round."""
    before = await count(box)
    times: list[float] = []
    for _ in range(ROUNDS):
        process = await box.background(["python3", "-c", TREE])
        async for _ in process.attach():
            break
        assert await count(box) == before + 200
        started = time.monotonic()
        assert (await process.kill(grace=0)).kind == "killed"
        times.append(time.monotonic() - started)
        assert await count(box) == before
    figure(
        "killing a tree of 200",
        rounds=ROUNDS,
        p50=milliseconds(percentile(times, 50)),
        p99=milliseconds(percentile(times, 99)),
    )
    assert percentile(times, KILL_SHARE) < KILL_SECONDS


async def test_forking_during_the_kill_does_not_help(box: Box) -> None:
    """H23: a tree that forks as fast as it can while it is killed is gone too."""
    before = await count(box)
    for _ in range(sized(5, 200)):
        process = await box.background(
            "f() { (sleep 0.01; f) & (setsid sleep 5 &) ; sleep 0.02; }; echo go; f; f; f; wait"
        )
        async for _ in process.attach():
            break
        await process.kill(grace=0)
    assert await count(box) == before


async def test_thousands_of_orphans_leave_no_zombie(box: Box) -> None:
    """H24: orphans are reaped, and exit codes are not stolen."""
    spawn = f"i=0; while [ $i -lt {ORPHANS} ]; do (exit 7 &) ; i=$((i+1)); done; exit 9"
    bystander = await box.background("until [ -e go ]; do sleep 0.01; done; exit 5")
    assert (await box.wait(spawn)).exit_code == 9
    await box.client.write_file(box.session_id, "go", "")
    assert (await bystander.wait()).exit_code == 5
    result = await box.wait("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z'")
    assert int(result.stdout) <= 1  # one may be on its way out at this very moment


async def test_a_fork_bomb_ends_with_its_kill(box: Box, shared: Place) -> None:
    """H25: at the process limit the server answers, a start is refused as exhausted, and a kill brings all back."""
    bomb = await box.background(["python3", "-c", BOMB])
    async for piece in bomb.attach():
        assert piece.output.startswith("full after"), piece.output
        break
    async with httpx2.AsyncClient(base_url=shared.url) as http:
        times: list[float] = []
        for _ in range(50):
            started = time.monotonic()
            assert (await http.get("/healthz")).status_code == 200
            times.append(time.monotonic() - started)
    assert percentile(times, SHARE) < HEALTHY_SECONDS
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


async def test_a_fork_bomb_that_goes_on_leaves_its_neighbours_their_turn(shared: Place, box: Box) -> None:
    """H25: one that replaces whatever is killed of it, in a sandbox beside ours; it ends with a kill all the same."""
    async with own_place(resources={"processes": 256, "memory": "512Mi"}) as bombed:
        inside = await bombed.box()
        bomb = await inside.background(":(){ :|:& };:; while :; do :& done 2>/dev/null")
        times: list[float] = []
        async with httpx2.AsyncClient() as http:
            end = time.monotonic() + sized(1.5, 20.0)
            while (began := time.monotonic()) < end:
                assert (await http.get(f"{bombed.url}/healthz")).status_code == 200
                times.append(time.monotonic() - began)
                assert (await box.wait("echo neighbour")).stdout == "neighbour\n"
        figure("health beside a fork bomb", p99=milliseconds(percentile(times, 99)))
        assert percentile(times, SHARE) < HEALTHY_SECONDS
        await bomb.kill(grace=0)
        assert (await bombed.client.kill_all_processes(inside.session_id)).survivors == 0
        assert (await inside.wait("echo recovered")).stdout == "recovered\n"
