"""The server's own disk: when it is full or read-only, nothing is lost in silence, and the server lives."""

import os
import subprocess
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from kubebox_protocol import events

from .conftest import Client, Sandbox, eventually

MEBIBYTE = 1 << 20


@pytest.fixture
def state(tmp_path: Path) -> Generator[Path]:
    """A disk of its own, of two mebibytes."""
    if os.getuid() != 0:
        pytest.skip("a disk that can be filled is mounted, which needs root")
    state = tmp_path / "small-disk"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", state], check=True)
    yield state
    subprocess.run(["umount", "--lazy", state], check=True)


@pytest.fixture
async def small(tmp_path: Path, state: Path) -> AsyncGenerator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    sandbox.state = state
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        yield sandbox


async def test_output_beyond_a_full_disk_is_counted(small: Sandbox) -> None:
    ended = await small.run("head -c 5000000 /dev/zero; exit 4")
    assert (ended["verdict"]["exit_code"], ended["end_offset"]) == (4, 5_000_000)
    assert ended["dropped_bytes"] > 2 * MEBIBYTE
    held = ended["end_offset"] - ended["dropped_bytes"]
    assert held > MEBIBYTE
    assert ended["output"] == bytes(len(ended["output"]))


async def test_a_full_disk_refuses_a_start_and_lets_what_runs_end(small: Sandbox) -> None:
    go = small.workspace / "go"
    running = await small.start("touch there; while [ ! -e go ]; do sleep 0.01; done; exit 3")
    await eventually((small.workspace / "there").exists)
    ballast = small.state / "ballast"
    free = os.statvfs(small.state)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
    # The last page of what is written down has room for some more.
    number = 0
    while (refused := await small.start(f"touch ran{number}"))["status"] == 201 and number < 50:
        number += 1
    assert (refused["status"], refused["code"]) == (507, "journal-unavailable")
    go.touch()
    assert (await small.end(running["execution_id"]))["verdict"]["exit_code"] == 3
    ballast.unlink()
    assert (await small.run("echo again"))["stdout"] == b"again\n"
    assert not (small.workspace / f"ran{number}").exists()


async def test_a_full_disk_refuses_a_shells_command_and_then_runs_it_once(small: Sandbox) -> None:
    client = Client(small)
    await client.connect()
    which = {"session_id": "main", "execution_id": await client.start("", shell=True, mode="background")}
    ballast = small.state / "ballast"
    free = os.statvfs(small.state)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
    number, refused = 0, None
    while refused is None and number < 200:
        number += 1
        answer = await client.call(events.SHELL_RUN, {**which, "number": number, "command": "echo >> ran"})
        refused = answer.get("error")
    assert refused is not None
    assert refused["code"] == "journal-unavailable"
    ballast.unlink()
    answer = await client.call(events.SHELL_RUN, {**which, "number": number, "command": "echo >> ran"})
    assert answer["ok"]["exit_code"] == 0
    assert (small.workspace / "ran").read_bytes() == b"\n" * number
    await client.sio.disconnect()
