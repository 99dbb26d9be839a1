"""A server that dies is started again, at its old address; and however a sandbox ends meanwhile, nothing is left."""

# ruff: noqa: ASYNC240 - looking at the disk between two awaits holds up nobody here

import contextlib
import http.client
import os
import signal
import sys
import textwrap
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kubebox import Kubebox
from kubebox.errors import LocalUnavailable, PodFailed
from kubebox.local import installed
from kubebox.local.config import Log
from kubebox.local.loop import Loop
from kubebox.local.restart import EXIT_SETTINGS, MAX_RESTARTS, KeptServer

from .boxes import (
    PATIENCE,
    Witness,
    cgroups,
    descendants,
    end_of,
    ending_program,
    opened,
    server_of,
    supervisors,
)

pytestmark = pytest.mark.anyio

RESTART_SECONDS = 15.0
"""How long the address of a sandbox may be silent after its server has died."""

ENDS_AT_ITS_NEXT_START = textwrap.dedent("""
    import os, pathlib, sys
    code, *server = sys.argv[1:]
    if any(pathlib.Path(os.environ["KUBEBOX_STATE"]).iterdir()):
        sys.exit(int(code))
    os.execv(server[0], server)
""")
"""A server once, afterwards a program that ends with an exit code."""


async def test_a_killed_server_comes_back(kubebox: Kubebox) -> None:
    async with opened(kubebox) as box:
        (supervisor,) = supervisors()
        first = kill_server(supervisor)
        await healthy(box.port)
        assert server_of(supervisor) != first
        await ready(box.port)
        await box.client.initialize_session("session", "work")
        assert (await box.run("echo alive")).stdout == "alive\n"
        assert await box.pod.verdict() is None
        await box.pod.wait_until_ready(PATIENCE)
        assert "SIGKILL" in await box.pod.logs()


async def test_a_server_that_was_told_to_end_comes_back_too(kubebox: Kubebox) -> None:
    async with opened(kubebox) as box:
        (supervisor,) = supervisors()
        kill_server(supervisor, signal.SIGTERM)
        await healthy(box.port)
        assert await box.pod.verdict() is None


async def test_a_server_that_dies_again_and_again_ends_the_sandbox(kubebox: Kubebox, place: Path) -> None:
    async with opened(kubebox) as box:
        (supervisor,) = supervisors()
        (folder,) = place.iterdir()
        mounts = Path("/proc/self/mounts").read_text()
        for _ in range(MAX_RESTARTS):
            kill_server(supervisor)
            await healthy(box.port)
        witness = Witness([supervisor, *descendants(supervisor)])
        kill_server(supervisor)
        verdict = await end_of(box.pod)
        assert verdict.kind == "server-ended"
        assert f"{MAX_RESTARTS + 1} times" in verdict.message
        assert "SIGKILL" in verdict.message
        assert witness.all_end()
        assert list(place.iterdir()) == []
        assert cgroups(folder.name) == []
        assert Path("/proc/self/mounts").read_text() == mounts


@pytest.mark.parametrize("kills", [1, 2], ids=["while it starts", "in the pause before"])
async def test_destroy_during_a_restart_leaves_nothing(kubebox: Kubebox, place: Path, kills: int) -> None:
    async with opened(kubebox) as box:
        (supervisor,) = supervisors()
        (folder,) = place.iterdir()
        witness = Witness([supervisor, *descendants(supervisor)])
        for _ in range(kills - 1):
            kill_server(supervisor)
            await healthy(box.port)
        kill_server(supervisor)
        await box.pod.destroy()
        assert witness.all_end()
        assert (await end_of(box.pod)).kind == "destroyed"
        assert descendants(os.getpid()) == []
        assert list(place.iterdir()) == []
        assert cgroups(folder.name) == []


async def test_the_end_of_the_program_during_a_restart_leaves_nothing(kubebox: Kubebox, place: Path) -> None:
    with ending_program(kubebox, place) as (program, supervisor):
        kill_server(supervisor)
        program.kill()


async def test_a_server_that_refuses_its_settings_is_not_tried_again(
    kubebox: Kubebox, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, init = installed.find_server()
    wrapper = [sys.executable, "-I", "-c", ENDS_AT_ITS_NEXT_START, str(EXIT_SETTINGS)]
    monkeypatch.setattr(installed, "find_server", lambda: ([*wrapper, *server], init))
    async with opened(kubebox) as box:
        (supervisor,) = supervisors()
        kill_server(supervisor)
        verdict = await end_of(box.pod)
        assert verdict.kind == "server-ended"
        assert "settings" in verdict.message
        assert list(place.iterdir()) == []


async def test_a_server_that_never_began_is_told_at_once(
    kubebox: Kubebox, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, init = installed.find_server()
    server = [sys.executable, "-I", "-c", "import sys; sys.exit('these were its last words')"]
    monkeypatch.setattr(installed, "find_server", lambda: (server, init))
    pod = kubebox.create_pod("stillborn")
    with pytest.raises(PodFailed) as failed:
        await pod.wait_until_ready(PATIENCE)
    assert "exit code 1" in failed.value.message
    assert "last words" in failed.value.data["log"]
    assert list(place.iterdir()) == []


def test_a_start_that_fails_is_tried_again_and_told() -> None:
    loop, said, given_up = Loop(), Log(), list[str]()
    begun: list[int] = []
    refusals = [BlockingIOError("no process left"), LocalUnavailable("no key left", cause="keyring")]

    def begin(_lifeline: int, _output: int) -> int:
        if begun and refusals:
            raise refusals.pop(0)
        begun.append(os.posix_spawn("/bin/true", ["true"], {}))
        if not refusals:
            loop.stop()
        return begun[-1]

    server = KeptServer(loop, begin, said.add, given_up.append)
    server.start()
    server.keep()
    loop.run()
    os.waitpid(begun[-1], 0)
    assert len(begun) == 2
    assert given_up == []
    assert "no process left" in said.text()
    assert "no key left" in said.text()


def kill_server(supervisor: int, how: signal.Signals = signal.SIGKILL) -> int:
    """End a sandbox's server and wait until it is gone: what connects from now on waits for the next."""
    server = server_of(supervisor)
    witness = Witness([server])
    os.kill(server, how)
    assert witness.all_end()
    return server


async def healthy(port: int) -> None:
    """Ask once, at the same port, where nobody is refused meanwhile."""
    assert await ask(port, "/healthz") == 200


async def ready(port: int) -> None:
    """Wait until init, which looks for a server in short intervals, has found the new one."""
    with anyio.fail_after(RESTART_SECONDS):
        while await ask(port, "/readyz") != 200:
            await anyio.lowlevel.checkpoint()


async def ask(port: int, path: str) -> int:
    def get() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RESTART_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    return await to_thread.run_sync(get)
