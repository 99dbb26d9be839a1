"""However a sandbox ends, nothing of it is left."""

# ruff: noqa: ASYNC240 - looking at the disk between two awaits holds up nobody here

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import anyio
import pytest

from kubebox import Kubebox, Sandbox, SandboxClient
from kubebox.errors import PodFailed, SandboxLost, WorkspaceRestarting
from kubebox_protocol.executions import CommandMode

from .boxes import (
    PATIENCE,
    Witness,
    cgroups,
    command_of,
    descendants,
    end_of,
    ending_program,
    opened,
    supervisors,
    wait_until_gone,
)

pytestmark = pytest.mark.anyio


async def test_destroy_leaves_nothing(kubebox: Kubebox, place: Path) -> None:
    async with opened(kubebox) as box:
        await box.client.run_command("session", "setsid sleep 1000 & sleep 1000", mode=CommandMode.BACKGROUND)
        (folder,) = place.iterdir()
        (supervisor,) = supervisors()
        everybody = [supervisor, *descendants(supervisor)]
        assert len(everybody) > 4
        witness = Witness(everybody)
        mounts = Path("/proc/self/mounts").read_text()
        await box.pod.destroy()
        assert witness.all_end()
        assert list(place.iterdir()) == []
        assert cgroups(folder.name) == []
        assert Path("/proc/self/mounts").read_text() == mounts
        verdict = await box.pod.verdict()
        assert verdict is not None
        assert verdict.kind == "destroyed"
        await box.pod.destroy()
        with pytest.raises(PodFailed) as ended:
            await box.pod.wait_until_ready()
        assert ended.value.verdict == verdict
        assert await kubebox.get_all_pods() == []


async def test_a_sandbox_ends_with_its_lifetime(kubebox: Kubebox, place: Path) -> None:
    # It counts from the server's start, and has to last until this program has seen that it is ready.
    pod = kubebox.create_pod("brief", lifetime=8)
    await pod.wait_until_ready(PATIENCE)
    (folder,) = place.iterdir()
    assert wait_until_gone(folder)
    assert (await end_of(pod)).kind == "lifetime-over"


async def test_destroy_while_it_starts(kubebox: Kubebox, place: Path) -> None:
    pod = kubebox.create_pod("hasty")
    await pod.destroy()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_the_end_of_the_program_ends_its_sandboxes(
    kubebox: Kubebox, place: Path, end: signal.Signals
) -> None:
    with ending_program(kubebox, place) as (program, _):
        program.send_signal(end)


async def test_a_killed_supervisor_takes_everything_along_and_is_swept(kubebox: Kubebox, place: Path) -> None:
    async with opened(kubebox) as box:
        (folder,) = place.iterdir()
        (supervisor,) = supervisors()
        witness = Witness([supervisor, *descendants(supervisor)])
        os.kill(supervisor, signal.SIGKILL)
        assert witness.all_end()
        await end_of(box.pod)
        assert folder.exists()
        async with opened(kubebox, "sweeper"):
            assert not folder.exists()
            assert cgroups(folder.name) == []


STARTS = 10
"""How many sandboxes may be ready before they are seen to start, which takes some hundredths of a second."""


async def test_a_supervisor_killed_at_the_start_leaves_no_process(kubebox: Kubebox, place: Path) -> None:
    sockets = "kubebox-*/control/line.sock"
    for number in range(STARTS):
        before = set(place.glob(sockets))
        pod = kubebox.create_pod(f"unborn-{number}")
        ready = asyncio.ensure_future(pod.wait_until_ready(PATIENCE))
        while not ready.done() and before.issuperset(place.glob(sockets)):
            await anyio.lowlevel.checkpoint()
        if not ready.done():
            (supervisor,) = supervisors()
            witness = Witness([supervisor, *descendants(supervisor)])
            os.kill(supervisor, signal.SIGKILL)
            assert witness.all_end()
            with contextlib.suppress(PodFailed):
                await ready
            if ready.exception() is not None:
                break
        await ready  # too late
        await pod.destroy()
    else:
        pytest.fail("each was ready before it could be killed")
    async with opened(kubebox, "sweeper"):
        assert len(list(place.iterdir())) == 1


async def test_a_workspace_that_dies_by_itself_is_told(kubebox: Kubebox, place: Path) -> None:
    pod = kubebox.create_pod("fragile")
    await pod.wait_until_ready(PATIENCE)
    (supervisor,) = supervisors()
    everybody = descendants(supervisor)
    victim = next(one for one in everybody if b"/bwrap" in command_of(one))
    witness = Witness([supervisor, *everybody])
    os.kill(victim, signal.SIGKILL)
    assert witness.all_end()
    assert (await end_of(pod)).kind == "workspace-ended"
    assert list(place.iterdir()) == []


async def test_a_command_just_after_that_waits_for_the_reason(place: Path) -> None:
    """Its server can only say that a workspace restarts: it is the supervisor who knows that this one does not."""
    async with Sandbox.create("local") as sandbox:
        (supervisor,) = supervisors()
        victim = next(one for one in descendants(supervisor) if b"/bwrap" in command_of(one))
        server = SandboxClient(url=sandbox.client.url)  # of no sandbox: it says what the server says
        os.kill(supervisor, signal.SIGSTOP)
        try:
            os.kill(victim, signal.SIGKILL)
            async with server:
                while await has_workspace(server, sandbox.session_id):
                    await anyio.lowlevel.checkpoint()
            command = asyncio.ensure_future(sandbox.run("true"))
            done, _ = await asyncio.wait({command}, timeout=0.3)
            assert not done
        finally:
            os.kill(supervisor, signal.SIGCONT)
        with pytest.raises(SandboxLost) as caught, anyio.fail_after(PATIENCE):
            await command
        assert caught.value.verdict is not None
        assert caught.value.verdict.kind == "workspace-ended"


async def has_workspace(server: SandboxClient, session_id: str) -> bool:
    try:
        await server.file_exists(session_id, "x")
    except WorkspaceRestarting:
        return False
    return True


async def test_close_destroys_all(place: Path, kubebox: Kubebox) -> None:
    with Kubebox("local", private_key=kubebox.private_key) as other:
        pods = [other.create_pod(f"box-{number}") for number in range(3)]
        addresses = [await pod.address(PATIENCE) for pod in pods]
        assert len(set(addresses)) == 3
        async with SandboxClient(kubebox.private_key, f"http://{addresses[0]}"):
            pass
    assert list(place.iterdir()) == []
    other.close()
