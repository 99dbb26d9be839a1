"""Pods, services and secrets, as `Kubebox` gives them out."""

# ruff: noqa: ASYNC240 - looking at the disk between two awaits holds up nobody here

import asyncio
import datetime
import hashlib
from pathlib import Path
from typing import Any

import pytest

from kubebox import Kubebox, SandboxClient
from kubebox.errors import (
    InvalidArgument,
    KubeboxError,
    NotSupported,
    PodConflict,
    PodFailed,
    PodNotReady,
)
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.keys import new_private_key, public_pem, read_private_key

from .boxes import PATIENCE, command_of, descendants, opened, supervisors

pytestmark = pytest.mark.anyio


async def test_the_quick_start(kubebox: Kubebox) -> None:
    pod = kubebox.create_pod("test-pod", username="test-user")
    service = kubebox.create_service("test-pod", username="test-user")
    await pod.wait_until_ready()
    await service.wait_until_ready()
    ip = await service.get_external_ip()
    assert ip.startswith("127.0.0.1:")
    async with SandboxClient(private_key=kubebox.private_key, url=f"http://{ip}") as client:
        await client.initialize_session("test-session", "workspace")
        result = await client.run_command("test-session", "echo 'Hello World'", mode=CommandMode.WAIT)
        assert result.stdout == "Hello World\n"
        await client.write_file("test-session", "file", "content")
        assert await client.get_file("test-session", "file") == "content"
    assert "kubebox" in repr(pod).lower()
    assert isinstance(await pod.logs(), str)
    await pod.destroy()
    assert isinstance(await pod.logs(), str)


def test_a_pod_starts_without_a_running_loop(kubebox: Kubebox) -> None:
    pod = kubebox.create_pod("without-loop")
    service = kubebox.create_service("without-loop")

    async def use() -> str:
        await pod.wait_until_ready(PATIENCE)
        address = await service.get_external_ip()
        await pod.destroy()
        return address

    assert asyncio.run(use()).startswith("127.0.0.1:")


async def test_the_same_name_is_the_same_pod(kubebox: Kubebox) -> None:
    async with opened(kubebox, "twice", env={"A": "b"}) as box:
        assert kubebox.create_pod("twice", env={"A": "b"}) is box.pod
        other = kubebox.create_pod("twice", env={"A": "c"})
        with pytest.raises(PodConflict):
            await other.wait_until_ready(PATIENCE)
        with pytest.raises(PodConflict):
            await other.destroy()
        assert (await box.run("echo $A")).stdout == "b\n"
        assert await kubebox.get_all_pods() == [box.pod]
        assert await kubebox.get_all_pods("elsewhere") == []
    async with opened(kubebox, "twice", env={"A": "c"}) as box:
        assert (await box.run("echo $A")).stdout == "c\n"


async def test_namespaces_keep_names_apart(kubebox: Kubebox) -> None:
    async with opened(kubebox, "apart") as here, opened(kubebox, "apart", namespace="elsewhere") as there:
        assert here.pod is not there.pod
        assert await kubebox.get_all_pods("elsewhere") == [there.pod]


async def test_the_identity_is_the_servers(kubebox: Kubebox) -> None:
    async with opened(kubebox, "identity") as box:
        assert box.pod.identity
        assert len(box.pod.identity) == 44


@pytest.mark.parametrize(
    "options",
    [
        {"image": "python:3.13"},
        {"ports": [8000]},
        {"runtime_class": "gvisor"},
        {"pod": {"spec": {}}},
        {"profile": "root"},
        {"network": ["10.0.0.0/8"]},
    ],
)
async def test_what_only_clusters_have_is_told(kubebox: Kubebox, options: dict[str, Any]) -> None:
    pod = kubebox.create_pod("cluster", **options)
    with pytest.raises(NotSupported):
        await pod.wait_until_ready(PATIENCE)
    await pod.destroy()
    assert await kubebox.get_all_pods() == []


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("create_pod", {"name": "Upper"}),
        ("create_pod", {"name": "a" * 64}),
        ("create_pod", {"name": "-a"}),
        ("create_pod", {"name": "a.b"}),
        ("create_pod", {"name": ""}),
        ("create_pod", {"name": "a", "namespace": "B"}),
        ("create_pod", {"name": "a", "lifetime": 0}),
        ("create_pod", {"name": "a", "lifetime": float("nan")}),
        ("create_pod", {"name": "a", "profile": "other"}),
        ("create_pod", {"name": "a", "network": "all"}),
        ("create_pod", {"name": "a", "env": {"A=B": "c"}}),
        ("create_pod", {"name": "a", "env": {"A": "\0"}}),
        ("create_pod", {"name": "a", "env": {"KUBEBOX_X": "c"}}),
        ("create_pod", {"name": "a", "env": {"A": "x" * 600_000}}),
        ("create_pod", {"name": "a", "kubebox_public_key_secret_name": "b"}),
        ("create_service", {"name": "B"}),
        ("create_secret", {"name": "a", "data": {"B C": "d"}}),
    ],
)
async def test_what_no_place_takes_is_refused(kubebox: Kubebox, method: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        getattr(kubebox, method)(**options)


async def test_a_lifetime_may_be_a_timedelta(kubebox: Kubebox) -> None:
    async with opened(kubebox, "timed", lifetime=datetime.timedelta(minutes=1)) as box:
        assert (await box.run("true")).exit_code == 0


async def test_a_service_waits_for_its_pod(kubebox: Kubebox) -> None:
    service = kubebox.create_service("later")
    with pytest.raises(PodNotReady):
        await service.wait_until_ready(timeout=0.05)
    waiting = asyncio.create_task(service.get_external_ip(PATIENCE))
    async with opened(kubebox, "later") as box:
        assert await waiting == f"127.0.0.1:{box.port}"


async def test_not_ready_in_time_goes_on(kubebox: Kubebox) -> None:
    pod = kubebox.create_pod("slow")
    with pytest.raises(PodNotReady):
        await pod.wait_until_ready(timeout=0.001)
    await pod.wait_until_ready(PATIENCE)
    await pod.destroy()


async def test_a_service_lets_this_machine_in_or_nobody(kubebox: Kubebox) -> None:
    async with opened(kubebox, "services", namespace="n"):
        service = kubebox.create_service("services", namespace="n", allowed_ips=["127.0.0.0/8", "10.1.2.3"])
        await service.wait_until_ready(PATIENCE)
        assert (
            kubebox.create_service("services", namespace="n", allowed_ips=["127.0.0.0/8", "10.1.2.3"])
            is service
        )
        for allowed in (["10.0.0.0/8"], []):
            with pytest.raises(NotSupported):
                await service.update_network_policy(allowed)
        with pytest.raises(InvalidArgument):
            await service.update_network_policy(["somewhere"])
        await service.update_network_policy(None)
        assert await kubebox.get_all_services("n") == [service]
        await service.destroy()
        await service.destroy()
        assert await kubebox.get_all_services("n") == []
        with pytest.raises(PodFailed):
            await service.get_external_ip()
        with pytest.raises(NotSupported):
            await kubebox.create_service(
                "services", namespace="n", allowed_ips=["10.0.0.0/8"]
            ).wait_until_ready(PATIENCE)
        with pytest.raises(NotSupported):
            await kubebox.create_service("services", namespace="n", ports=[80]).wait_until_ready(PATIENCE)


async def test_secrets_are_seen_by_commands_and_nobody_else(kubebox: Kubebox, place: Path) -> None:
    value = "correct-horse-battery-staple"
    kubebox.create_secret("tokens", {"TOKEN": value})
    async with opened(kubebox, "secretive", secrets=["tokens"]) as box:
        # The output is journalled, so the command must not print it.
        digest = hashlib.sha256(value.encode()).hexdigest()
        assert (await box.run("printf %s $TOKEN | sha256sum")).stdout.split()[0] == digest
        (supervisor,) = supervisors()
        for process in [supervisor, *descendants(supervisor)]:
            assert value.encode() not in command_of(process)
            try:
                environment = Path(f"/proc/{process}/environ").read_bytes()
            except (
                PermissionError,
                ProcessLookupError,
                FileNotFoundError,
            ):  # the last two for what has ended
                continue
            assert value.encode() not in environment or _is_init(process)
        for path in place.rglob("*"):
            if path.is_file():
                assert value.encode() not in path.read_bytes()
        assert value not in await box.pod.logs()
        assert value not in repr(box.pod)


async def test_a_secret_that_is_not_there(kubebox: Kubebox) -> None:
    pod = kubebox.create_pod("missing", secrets=["nowhere"])
    with pytest.raises(InvalidArgument):
        await pod.wait_until_ready(PATIENCE)


async def test_the_public_key_may_come_from_a_secret(kubebox: Kubebox) -> None:
    key = new_private_key()
    kubebox.create_secret("keys", {"PUBLIC": public_pem(read_private_key(key))})
    pod = kubebox.create_pod("keyed", kubebox_public_key_secret_name="keys", kubebox_public_key_key="PUBLIC")
    address = await pod.address(PATIENCE)
    async with SandboxClient(key, f"http://{address}") as client:
        await client.initialize_session("session", "work")
    with pytest.raises(KubeboxError):
        async with SandboxClient(kubebox.private_key, f"http://{address}") as client:
            await client.initialize_session("session", "work")
    await pod.destroy()


async def test_the_environment_chooses_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBOX_CONFIG", "local")
    with Kubebox() as kubebox:
        assert kubebox.where == "local"
        with pytest.raises(NotSupported):
            await kubebox.create_network_policy("policy").wait_until_ready()


def _is_init(process: int) -> bool:
    return b"/run/kubebox/init" in command_of(process)
