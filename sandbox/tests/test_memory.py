"""What the kernel tells of the workspace's memory, from cgroups of both versions."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubebox_protocol.keys import new_private_key, public_pem, read_private_key
from kubebox_sandbox.memory import MemoryWatch
from kubebox_sandbox.settings import SettingsInvalid, read_settings

from .conftest import PATIENCE

MEBIBYTE = 2**20
LIMIT = 64 * MEBIBYTE

EAT = f"""
import os, sys
with open(sys.argv[1], "w") as joined:
    joined.write(str(os.getpid()))
eaten = bytearray(int(sys.argv[2]) * {MEBIBYTE})
for page in range(0, len(eaten), 4096):
    eaten[page] = 1
"""
"""Joins a cgroup, and takes so many mebibytes of memory."""

VERSION_1 = {
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "memory.limit_in_bytes": "402653184\n",
    "memory.max_usage_in_bytes": "402649088\n",
}
VERSION_2 = {
    "memory.events": "low 0\nhigh 0\nmax 17\noom 4\noom_kill 3\noom_group_kill 0\n",
    "memory.max": "402653184\n",
    "memory.peak": "402649088\n",
}


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A real memory cgroup that holds `LIMIT` bytes, and no swap."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, mount, kind, options, *_ in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            limits = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        elif kind == "cgroup2":
            limits = ["memory.max", "memory.swap.max"]
        else:
            continue
        made = Path(mount) / f"kubebox-test-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            if (made / limits[0]).exists() and os.access(made / limits[0], os.W_OK):
                (made / limits[0]).write_text(str(LIMIT))
                if (made / limits[1]).exists():
                    (made / limits[1]).write_text(str(LIMIT if kind == "cgroup" else 0))
                yield made
                return
        finally:
            made.rmdir()
    pytest.skip("no memory cgroup can be made here")


def test_the_kernel_counts_what_it_kills(cgroup: Path) -> None:
    watch = MemoryWatch(cgroup)
    assert (watch.kills(), watch.limit()) == (0, LIMIT)
    assert eat(cgroup, 16) == 0
    assert watch.kills() == 0
    before = watch.peak()
    assert before is None or 16 * MEBIBYTE <= before < LIMIT
    assert eat(cgroup, 128) == -9
    assert watch.kills() == 1
    assert eat(cgroup, 128) == -9
    assert watch.kills() == 2
    assert before is None or watch.peak() == LIMIT


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_both_versions_are_read(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    watch = MemoryWatch(tmp_path)
    assert (watch.kills(), watch.limit(), watch.peak()) == (3, 402653184, 402649088)


@pytest.mark.parametrize(
    "files", [{"memory.max": "max\n"}, {"memory.limit_in_bytes": "9223372036854771712\n"}], ids=["2", "1"]
)
def test_no_limit_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    assert MemoryWatch(tmp_path).limit() is None


def test_an_older_kernel_says_less(tmp_path: Path) -> None:
    write(tmp_path, {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n", "memory.max": "1048576\n"})
    watch = MemoryWatch(tmp_path)
    assert (watch.kills(), watch.limit(), watch.peak()) == (0, 1048576, None)


@pytest.mark.parametrize("folder", [None, Path("/no/such/cgroup")])
def test_without_a_cgroup_nothing_is_known(folder: Path | None) -> None:
    watch = MemoryWatch(folder)
    assert (watch.kills(), watch.limit(), watch.peak()) == (0, None, None)


def test_the_operator_says_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "SANDBOX_ID": "test",
        "SANDBOX_UID": "body-1",
        "PUBLIC_KEYS": public_pem(read_private_key(new_private_key())),
        "CONTROL": str(tmp_path),
        "STATE": str(tmp_path),
        "WORKSPACE_UID": "0",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"KUBEBOX_{name}", value)
    assert read_settings().memory_cgroup is None
    monkeypatch.setenv("KUBEBOX_MEMORY_CGROUP", "/sys/fs/cgroup/workspace")
    assert read_settings().memory_cgroup == Path("/sys/fs/cgroup/workspace")
    for relative in ("workspace", ""):
        monkeypatch.setenv("KUBEBOX_MEMORY_CGROUP", relative)
        with pytest.raises(SettingsInvalid) as refused:
            read_settings()
        assert refused.value.messages == ["KUBEBOX_MEMORY_CGROUP: needs an absolute path"]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).write_text(content)


def eat(cgroup: Path, mebibytes: int) -> int:
    """The exit code of a process that takes so much memory there."""
    command = [sys.executable, "-I", "-S", "-c", EAT, str(cgroup / "cgroup.procs"), str(mebibytes)]
    return subprocess.run(command, check=False, timeout=PATIENCE, stderr=subprocess.DEVNULL).returncode
