"""What commands may not ask of the kernel, and that usual work does not notice."""

from typing import Final

import pytest

from kubebox.local.bubblewrap import WORKSPACE_UID
from kubebox.local.probe import Expected, find_holes
from kubebox_protocol.executions import CommandMode

from .boxes import PATIENCE, Box

LIMITS = """
import ctypes, errno, os
library = ctypes.CDLL(None, use_errno=True)
class Limit(ctypes.Structure):
    _fields_ = [("soft", ctypes.c_ulong), ("hard", ctypes.c_ulong)]
def change(process, resource, by):
    limit = Limit()
    library.prlimit(process, resource, None, ctypes.byref(limit))
    limit.soft = limit.hard = limit.hard - by
    return library.prlimit(process, resource, ctypes.byref(limit), None) and errno.errorcode[ctypes.get_errno()]
FILES, ADDRESSES, MARK = 7, 9, 15
"""
"""For programs that change limits: of whom, which one, by how much."""

EVADER = f"""{LIMITS}
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
change(0, MARK, 12345)
print("ready", flush=True)
for stream in (0, 1, 2): os.close(stream)
import time; time.sleep(1000)
"""


SOUND: Final = {
    "pid": 1, "uid": WORKSPACE_UID, "gid": WORKSPACE_UID, "uid_map": "10001 1000 1", "no_new_privs": True,
    "effective_capabilities": "0000000000000000", "interfaces": ["lo"], "processes": 1, "root_writable": False,
    "commands_confined": True, "visible": [], "connected": [], "environment": [],
}  # fmt: skip
"""What a probe says of a wall without a hole."""


@pytest.mark.parametrize(("confined", "holes"), [(True, 0), (False, 1)])
def test_a_kernel_without_filters_is_a_hole(confined: bool, holes: int) -> None:
    found = find_holes({**SOUND, "commands_confined": confined}, Expected(interfaces={"lo"}, variables=()))
    assert len(found) == holes
    assert all("seccomp" in hole for hole in found)


@pytest.mark.anyio
async def test_a_process_cannot_leave_its_tree(box: Box) -> None:
    await box.client.write_file("session", "evader.py", EVADER)
    process = await box.client.run_command(
        "session", "python3 evader.py; sleep 1000", mode=CommandMode.BACKGROUND, timeout=PATIENCE
    )
    async for chunk in process.attach():
        assert chunk.output == "ready\n"
        break
    await process.kill()
    assert (await box.run("pgrep -f '[e]vader.py'")).stdout == ""


@pytest.mark.anyio
async def test_the_limits_of_init_are_out_of_reach(box: Box) -> None:
    attempts = "print(*[change(1, limit, 1) for limit in (FILES, ADDRESSES, MARK)], change(0, MARK, 1))"
    await box.client.write_file("session", "limits.py", LIMITS + attempts)
    assert (await box.run("python3 limits.py")).stdout == "EPERM EPERM EPERM EPERM\n"
    assert (await box.run("echo alive")).stdout == "alive\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("work", "output"),
    [
        ("git init -q g && cd g && git -c user.name=n -c user.email=e commit --allow-empty -qm m && git log --format=%s", "m"),
        ("ulimit -n 99; ulimit -u 99; echo $(ulimit -n) $(ulimit -u)", "99 99"),
        ("python3 -c 'import resource as r; r.setrlimit(r.RLIMIT_CPU, (9, 9)); print(r.getrlimit(r.RLIMIT_CPU))'", "(9, 9)"),
        ("set -m; sleep 1000 & kill %1; wait %1; echo $?", "143"),
    ],
)  # fmt: skip
async def test_usual_work_goes_on(box: Box, work: str, output: str) -> None:
    assert (await box.run(work)).stdout == f"{output}\n"
