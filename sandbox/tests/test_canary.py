"""No command before the network is closed: a server with real sockets that it must not reach."""

import contextlib
import os
import socket
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from kubebox_sandbox.canary import read_address
from kubebox_sandbox.settings import SettingsInvalid, read_settings

from .conftest import PATIENCE, Sandbox, eventually
from .test_restart import Restarting
from .test_settings import environment


@contextmanager
def open_port(host: str = "127.0.0.1") -> Generator[str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        yield (
            f"[{host}]:{listening.getsockname()[1]}"
            if ":" in host
            else f"{host}:{listening.getsockname()[1]}"
        )


@contextmanager
def silent_port() -> Generator[str]:
    """Where nobody answers, as a policy that drops would have it: the queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def closed_port() -> Generator[socket.socket]:
    """A port on which nobody listens, and which is held so that no other test's server gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def address_of(held: socket.socket) -> str:
    host, port = held.getsockname()
    return f"{host}:{port}"


@asynccontextmanager
async def sandbox_with(folder: Path, *addresses: str) -> AsyncGenerator[Sandbox]:
    sandbox = Sandbox(folder)
    sandbox.settings_overrides["canary"] = list(addresses)
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():

        async def has_session() -> bool:
            answer = await sandbox.request("POST", "/v1/sessions", json={"session_id": "main", "path": ""})
            return answer.status_code == 200

        await eventually(has_session)
        yield sandbox


async def readiness(sandbox: Sandbox) -> tuple[int, str]:
    answer = await sandbox.http.get("/readyz")
    return answer.status_code, answer.json()["status"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_nothing_starts_while_it_is_open_and_all_is_well_once_it_is_closed(
    tmp_path: Path, host: str
) -> None:
    with closed_port() as closed, contextlib.ExitStack() as still_open:
        address = still_open.enter_context(open_port(host))
        async with sandbox_with(tmp_path, address_of(closed), address) as sandbox:
            refused = await sandbox.start("touch ran")
            assert (refused["status"], refused["code"]) == (503, "network-open")
            assert refused["data"] == {"reached": [address]}
            assert "kubebox.dev/open-network=allowed" in refused["message"]
            assert await readiness(sandbox) == (503, "network-open")
            assert (await sandbox.http.get("/healthz")).status_code == 200
            assert not (sandbox.workspace / "ran").exists()
            still_open.close()
            await sandbox.ready()
            assert (await sandbox.run("echo fine"))["stdout"] == b"fine\n"


async def test_a_command_waits_for_the_first_round(tmp_path: Path) -> None:
    with silent_port() as address:
        async with sandbox_with(tmp_path, address) as sandbox:
            assert await readiness(sandbox) == (503, "network-unproven")
            with anyio.fail_after(PATIENCE):
                assert (await sandbox.run("echo fine"))["stdout"] == b"fine\n"
            assert await readiness(sandbox) == (200, "ok")


async def test_once_closed_it_holds_for_good(tmp_path: Path) -> None:
    with closed_port() as held:
        async with sandbox_with(tmp_path, address_of(held)) as sandbox:
            await sandbox.ready()
            held.listen()
            held.setblocking(False)
            assert (await sandbox.run("echo fine"))["stdout"] == b"fine\n"
            with pytest.raises(BlockingIOError):
                held.accept()  # nobody has tried


async def test_an_execution_that_is_known_is_told_all_the_same(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    restarting = Restarting(sandbox)
    execution_id = str(uuid.uuid4())
    async with sandbox.open():
        await restarting.start()
        async with sandbox.workspace_running():
            await sandbox.ready()
            await sandbox.session()
            await sandbox.run("true", execution_id=execution_id)
            await restarting.stop()
            with open_port() as address:
                sandbox.settings_overrides["canary"] = [address]
                await restarting.start()
                assert (await sandbox.start("true"))["code"] == "network-open"
                assert (await sandbox.start("true", execution_id=execution_id))["status"] == 200
            await sandbox.ready()
        await restarting.stop()


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("10.0.0.1:443", ("10.0.0.1", 443)),
        ("[fd00::1]:443", ("fd00::1", 443)),
        ("api", ("10.96.0.1", 6443)),
    ],
)
def test_addresses(monkeypatch: pytest.MonkeyPatch, word: str, address: tuple[str, int]) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    assert read_address(word) == address


@pytest.mark.parametrize(
    "canary", ["api", "metadata.internal:80", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", ":80"]
)
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, canary: str) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(tmp_path, CANARY=f"127.0.0.1:1,{canary}").items():
        if name not in os.environ or name.startswith("KUBEBOX_"):
            monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match="KUBEBOX_CANARY"):
        read_settings()
