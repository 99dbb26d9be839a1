"""What a workspace may use, and that it recovers from having used it."""

import signal
from pathlib import Path

import pytest

from kubebox import Kubebox, Resources
from kubebox.errors import InvalidArgument
from kubebox.local.resources import GIBIBYTE, MEBIBYTE
from kubebox_sandbox.memory import MemoryWatch

from .boxes import opened, server_of, supervisors

pytestmark = pytest.mark.anyio

SMALL = Resources(memory=256 * MEBIBYTE, disk=128 * MEBIBYTE, processes=128)


EAT_SHARED_MEMORY = "import mmap; m = mmap.mmap(-1, 2**30)\nwhile True: m.write(bytes(2**20))"
"""Takes memory until the kernel ends it: an rlimit counts private memory alone, and an error would come before."""


async def test_each_limit_says_what_holds_it(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources={"memory": "1Gi", "disk": "256Mi", "processes": 100}) as box:
        limits = box.pod.limits
        assert {name: limit["value"] for name, limit in limits.items()} == {
            "cpu": None,
            "memory": GIBIBYTE,
            "disk": 256 * MEBIBYTE,
            "processes": 100,
        }
        assert limits["memory"]["enforced_by"] in ("cgroup v2", "cgroup v1", "rlimit")
        assert limits["processes"]["enforced_by"] in ("cgroup v2", "cgroup v1", "rlimit")
        assert limits["disk"]["enforced_by"] == "tmpfs"
        assert "how many files" in limits["disk"]["note"]


async def test_a_fork_bomb_is_held_and_survived(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        bomb = "import os, time\nfor _ in range(1000):\n  if os.fork() == 0: time.sleep(1000)"
        result = await box.run(f"python3 -c '{bomb}'")
        assert "Resource temporarily unavailable" in result.stderr
        await box.client.kill_all_processes("session")
        assert (await box.run("echo alive")).stdout == "alive\n"


async def test_the_classic_fork_bomb_is_held_and_survived(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        await box.run(":(){ :|:& };:", timeout=2)
        await box.client.kill_all_processes("session")
        assert (await box.run("echo alive")).stdout == "alive\n"


async def test_a_process_cannot_take_more_memory_than_there_is(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        result = await box.run("python3 -c 'b = bytearray(300 * 2**20); print(len(b))'")
        assert result.exit_code != 0
        result = await box.run("python3 -c 'b = bytearray(150 * 2**20); print(len(b))'")
        assert result.stdout == f"{150 * MEBIBYTE}\n"


async def test_many_processes_cannot_take_more_memory_than_there_is(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        if box.pod.limits["memory"]["enforced_by"] == "rlimit":
            pytest.skip("no cgroup can be made here; the limit says that it holds for single processes alone")
        each = "python3 -c \"b = b'x' * (150 * 2**20); import time; time.sleep(2); print('kept')\""
        result = await box.run(" & ".join([each] * 4) + " & wait")
        assert result.stdout.count("kept") < 4
        assert (await box.run("echo alive")).stdout == "alive\n"


async def test_the_server_can_see_what_the_kernel_kills(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        folder = memory_cgroup_of_the_server()
        if box.pod.limits["memory"]["enforced_by"] == "rlimit":
            assert folder is None
            pytest.skip("no cgroup can be made here, so nobody counts; the limit says that it is an rlimit")
        watch = MemoryWatch(folder)
        assert watch.kills() == 0
        assert watch.limit() == SMALL.memory + SMALL.disk
        result = await box.run(f"exec python3 -c '{EAT_SHARED_MEMORY}'")
        assert result.exit_code == -signal.SIGKILL
        assert watch.kills() == 1
        assert (await box.run("echo alive")).stdout == "alive\n"


async def test_processors_are_shared_out(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=Resources(cpu=0.5)) as box:
        if box.pod.limits["cpu"]["enforced_by"] == "none":
            pytest.skip("no cgroup can be made here; the limit says so")
        spin = (
            "import time as t; e = t.monotonic() + 1\nwhile t.monotonic() < e: pass\nprint(t.process_time())"
        )
        assert float((await box.run(f'python3 -c "{spin}"')).stdout) < 0.75


@pytest.mark.parametrize("folder", ["/workspace", "/home/user", "/tmp", "/dev/shm"])
async def test_a_full_disk_is_an_error_and_not_an_end(kubebox: Kubebox, folder: str) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        result = await box.run(f"head -c 200M /dev/zero > {folder}/big")
        assert "No space left on device" in result.stderr
        assert (await box.run(f"rm {folder}/big; echo alive")).stdout == "alive\n"


async def test_all_disks_full_leave_room_for_commands(kubebox: Kubebox) -> None:
    async with opened(kubebox, resources=SMALL) as box:
        await box.run(
            "for f in /workspace /home/user /tmp /dev/shm; do head -c 200M /dev/zero > $f/big; done"
        )
        result = await box.run("python3 -c 'b = bytearray(100 * 2**20); print(len(b))'")
        assert result.stdout == f"{100 * MEBIBYTE}\n"


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": "lots"},
        {"memory": 1},
        {"disk": -1},
        {"processes": 3},
        {"cpu": 0},
        {"cpu": "many"},
        {"gpu": 1},
        {"memory": True},
        {"memory": 1.5},
    ],
)
async def test_what_is_no_amount_is_refused_at_once(kubebox: Kubebox, resources: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        kubebox.create_pod("resources", resources=resources)


def test_amounts_are_read_as_in_kubernetes() -> None:
    read = Resources.read({"cpu": "500m", "memory": "1.5Gi", "disk": "1G", "processes": 64})
    assert read == Resources(cpu=0.5, memory=3 * GIBIBYTE // 2, disk=10**9, processes=64)


def memory_cgroup_of_the_server() -> Path | None:
    (supervisor,) = supervisors()
    for variable in Path(f"/proc/{server_of(supervisor)}/environ").read_text().split("\0"):
        name, _, value = variable.partition("=")
        if name == "KUBEBOX_MEMORY_CGROUP":
            return Path(value)
    return None
