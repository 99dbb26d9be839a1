"""H27, H28: commands that take all memory, or all processors: the server answers, says the cause, and the next command runs."""

import time
from collections.abc import AsyncGenerator

import httpx2
import pytest

from kubebox import Resources
from kubebox.local.resources import MEBIBYTE
from tests.soak.places import Place, own_place, server
from tests.soak.sizes import LIMIT, figure, milliseconds, percentile, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

SMALL = Resources(memory=256 * MEBIBYTE, disk=128 * MEBIBYTE, processes=512)
HEALTH_SECONDS = 0.25
HEALTH_SHARE = sized(50, 99)
"""The percentile that is held against it: the short form has fewer than a hundred values, on a machine that it shares."""

HOGS = sized(24, 64)
HOGGING_SECONDS = sized(1.5, 60.0)

EAT = "import mmap; m = mmap.mmap(-1, 2**33)\nwhile True: m.write(bytes(2**20))"
"""Takes more than there is in a way that no limit of a single process holds up."""

EATERS = {
    "a program": (["python3", "-c", EAT], {-9}),
    # The kernel takes the larger of the two, most often; while that is still dying it may take the shell, too.
    "a program that a shell waits for": (f"python3 -c '{EAT}'; exit $?", {137, -9}),
}
"""Commands that take all memory, and the exit codes that they can end with."""

LOCK = "import ctypes, mmap\nm = mmap.mmap(-1, 2**26)\nassert ctypes.CDLL(None).mlockall(3) == 0, 'no lock'"
RESIST = {
    "private memory": ("b = bytearray(10 * 2**30)", "MemoryError"),
    "the disk in memory": (
        "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(2**20))",
        "No space left",
    ),
    "locked memory": (LOCK, "no lock"),
}
"""What ends with an error, before anybody has to be killed."""


@pytest.fixture
async def small() -> AsyncGenerator[Place]:
    async with own_place(resources=SMALL) as shared:
        yield shared


@pytest.mark.parametrize(("command", "codes"), EATERS.values(), ids=EATERS)
async def test_a_command_that_takes_all_memory_is_ended_and_told_why(
    small: Place, command: str | list[str], codes: set[int]
) -> None:
    """H27: the command ends, with the limit and the peak in its verdict, and whatever else the kernel takes is told the same."""
    box = await small.box()
    neighbour = await box.background("exec sleep 60")
    with server(small) as process:
        if b"KUBEBOX_MEMORY_CGROUP=" not in process.environment():
            pytest.skip("no cgroup can be made here, so the kernel tells nobody why it killed")
        for _ in range(2):
            result = await box.wait(command)
            verdict = result.verdict
            assert verdict.kind == "out-of-memory"
            assert result.exit_code in codes
            assert verdict.memory_limit == SMALL.memory + SMALL.disk
            assert verdict.memory_peak is not None
            assert verdict.memory_peak > 0.9 * (SMALL.memory + SMALL.disk)
            assert (await box.wait("echo alive")).stdout == "alive\n"
    # Most often it goes on. Where processors are busy, the kernel takes more than one while the first is still dying.
    fate = (await neighbour.status()).verdict
    assert fate is None or fate.kind == "out-of-memory"


@pytest.mark.parametrize(("code", "error"), RESIST.values(), ids=RESIST)
async def test_what_can_be_refused_is_no_reason_to_kill(small: Place, code: str, error: str) -> None:
    """H27: more than there is, asked for in ways that can be answered."""
    box = await small.box()
    result = await box.wait(["python3", "-c", code])
    assert (result.verdict.kind, result.exit_code) == ("exited", 1)
    assert error in result.stderr
    assert (await box.wait("rm -f /dev/shm/x; echo alive")).stdout == "alive\n"


async def test_processors_that_are_all_taken_leave_the_server_its_turn(shared: Place) -> None:
    """H28: many at once, as favoured as they can make themselves, and timers that never rest."""
    box = await shared.box()
    hog = "renice -n -20 $$; chrt -f 99 true; while :; do :; done"
    storm = "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)\n"
    hogs = [await box.background(f"({hog}) 2>/dev/null") for _ in range(HOGS - 4)]
    hogs += [await box.background(["python3", "-c", storm + "while True: signal.pause()"]) for _ in range(4)]
    times: list[float] = []
    async with httpx2.AsyncClient(base_url=shared.url) as http:
        end = time.monotonic() + HOGGING_SECONDS
        while (began := time.monotonic()) < end:
            assert (await http.get("/healthz")).status_code == 200
            times.append(time.monotonic() - began)
    began = time.monotonic()
    assert (await box.wait("echo in between")).stdout == "in between\n"
    figure(
        f"health beside {HOGS} hogs",
        p50=milliseconds(percentile(times, 50)),
        p99=milliseconds(percentile(times, 99)),
        a_command=milliseconds(time.monotonic() - began),
    )
    answer = await box.client.kill_all_processes(box.session_id)
    assert (answer.killed, answer.survivors) == (HOGS, 0)
    assert percentile(times, HEALTH_SHARE) < HEALTH_SECONDS
