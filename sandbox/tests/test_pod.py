"""The first process of the server's container, run as one: what it holds, what it brings, and what it outlives."""

import contextlib
import os
import random
import signal
import socket
import stat
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import Process

from kubebox_protocol.keys import new_private_key, public_pem, read_private_key
from kubebox_protocol.ports import port_target
from kubebox_protocol.tokens import audience, sign_token
from kubebox_sandbox.listen import listen
from kubebox_sandbox.pod.keep import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, pause_after

from .conftest import PATIENCE, Sandbox, eventually

COMMAND = [sys.executable, "-I", "-m", "kubebox_sandbox.pod"]


FIRST_PORT, PORTS, WORKERS = 20_000, 1000, 12
"""Ports for pods: below those that the kernel gives to whoever asks for any, and so many for each of pytest's workers."""


def free_port() -> int:
    """A port that is free, and is so still when the pod takes it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    first = FIRST_PORT + worker * PORTS
    for port in random.sample(range(first, first + PORTS), PORTS):
        with contextlib.suppress(OSError), listen("", port):
            return port
    raise AssertionError


class Pod:
    """The server's container, as whoever watches it sees it."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.control, self.state = folder / "control", folder / "state"
        for each in (self.control, self.state):
            each.mkdir(exist_ok=True)
        self.port = free_port()
        self.key = read_private_key(new_private_key())
        self.environment = {
            "PATH": os.environ["PATH"],
            "KUBEBOX_SANDBOX_ID": "test",
            "KUBEBOX_SANDBOX_UID": "body-1",
            "KUBEBOX_PUBLIC_KEYS": public_pem(self.key),
            "KUBEBOX_CONTROL": str(self.control),
            "KUBEBOX_STATE": str(self.state),
            "KUBEBOX_WORKSPACE_UID": str(os.getuid()),
            "KUBEBOX_PORT": str(self.port),
            **changes,
        }

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncGenerator[Process]:
        process = await anyio.open_process(
            [*COMMAND, *arguments], env=self.environment, stdin=None, stdout=None, stderr=None
        )
        async with process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()

    async def identity(self, host: str = "127.0.0.1") -> str:
        async with httpx2.AsyncClient(timeout=PATIENCE) as http:
            return (await http.get(f"http://{host}:{self.port}/v1/info")).json()["identity"]


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


async def answers(pod: Pod) -> None:
    async def is_there() -> bool:
        try:
            await pod.identity()
        except httpx2.ConnectError:
            return False
        return True

    await eventually(is_there)


async def test_it_serves_all_addresses_and_ends_as_told(pod: Pod) -> None:
    async with pod.running() as process:
        await answers(pod)
        assert await pod.identity() == await pod.identity("[::1]")
        process.terminate()
        with anyio.fail_after(PATIENCE):
            assert await process.wait() == 128 + signal.SIGTERM


async def test_init_lies_in_the_control_folder_for_anybody_to_run(pod: Pod) -> None:
    async with pod.running():
        await answers(pod)
        found = (pod.control / "init").stat()
        assert stat.S_IMODE(found.st_mode) == 0o755
        assert sorted(os.listdir(pod.control)) == ["init", "line.sock"]
        done = await anyio.run_process([str(pod.control / "init"), "probe"])
        assert b"no_new_privs" in done.stdout


async def test_its_own_port_leads_nobody_through_the_workspace(pod: Pod) -> None:
    async with pod.running():
        await answers(pod)
        target = port_target(pod.port)
        token = sign_token(
            pod.key, audience=audience("test", "body-1"), method="GET", target=target, now=time.time()
        )
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{pod.port}", timeout=PATIENCE) as http:
            answer = await http.get(target, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "port-refused")


async def test_a_server_that_is_killed_is_replaced_and_nobody_is_refused(pod: Pod) -> None:
    async with pod.running() as process:
        await answers(pod)
        before = await pod.identity()
        for _ in range(2):
            (server,) = children(process.pid)
            os.kill(server, signal.SIGKILL)
            # No try is repeated: the port is held, so that this waits for the next server.
            assert await pod.identity() == before
        assert process.returncode is None


async def test_settings_that_the_server_refuses_end_it(pod: Pod) -> None:
    pod.environment["KUBEBOX_PUBLIC_KEYS"] = ""
    async with pod.running() as process:
        with anyio.fail_after(PATIENCE):
            assert await process.wait() == 2


@pytest.mark.parametrize("port", ["x", "70000", "-1"])
async def test_a_port_that_is_none_ends_it(pod: Pod, port: str) -> None:
    pod.environment["KUBEBOX_PORT"] = port
    async with pod.running() as process:
        with anyio.fail_after(PATIENCE):
            assert await process.wait() == 2


async def test_a_port_that_somebody_has_is_no_fault_of_its_settings(pod: Pod) -> None:
    with listen("", pod.port):
        async with pod.running() as process:
            with anyio.fail_after(PATIENCE):
                assert await process.wait() == 1


async def test_the_server_ends_with_it(pod: Pod) -> None:
    async with pod.running() as process:
        await answers(pod)
        (server,) = children(process.pid)
        process.kill()
        await eventually(lambda: _has_ended(server))


def _has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_whole_in_one_container_it_runs_commands(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.listening.close()
    changes = {"KUBEBOX_PUBLIC_KEYS": public_pem(sandbox.key), "KUBEBOX_ROOTS": str(sandbox.workspace)}
    pod = Pod(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1", OWN="kept", **changes)
    sandbox.port, sandbox.http.base_url = pod.port, httpx2.URL(f"http://127.0.0.1:{pod.port}")
    async with sandbox.http, pod.running("--with-workspace") as process:
        await answers(pod)
        await sandbox.ready()
        await sandbox.session()
        ran = await sandbox.run("env")
        names = {line.partition("=")[0] for line in ran["stdout"].decode().splitlines()}
        assert {"HOME", "USER", "PATH", "OWN"} <= names
        assert not {name for name in names if name.startswith(("KUBE", "TMPDIR"))}
        (init,) = (child for child in children(process.pid) if "init" in _program(child))
        os.kill(init, signal.SIGKILL)

        async def is_another() -> bool:
            return (await sandbox.start("true"))["status"] == 201

        await eventually(is_another)
        assert (await sandbox.run("echo again"))["stdout"] == b"again\n"


def _program(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text().split("\0")[0]


def test_the_first_accident_costs_no_pause_and_no_row_of_them_an_end() -> None:
    pauses = [pause_after(accidents) for accidents in range(1, 2000)]
    assert pauses[:3] == [0, FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_one_address_may_be_chosen(host: str) -> None:
    with listen(host, 0) as listening:
        assert listening.getsockname()[0] == host


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """An answer's body comes after its head, and by TCP's default would not go out before the client has confirmed that."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
