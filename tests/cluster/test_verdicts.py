"""Why a sandbox ended, told within ten seconds; and a workspace that restarts leaves server, files and journal."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kubebox import Kubebox, KubeboxPod, SandboxClient, errors
from kubebox_protocol.verdicts import Verdict
from tests.cluster.places import boxed, manager, running

Kubectl = Callable[..., str]
TOLD_SECONDS = 10.0


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


async def told(pod: KubeboxPod, within: float = 60) -> Verdict:
    verdict = await pod.verdict_within(within)
    assert verdict is not None
    return verdict


async def test_a_lifetime_that_is_over(kubebox: Kubebox) -> None:
    async with running(kubebox, "short-lived", lifetime=8) as pod:
        assert (await told(pod)).kind == "lifetime-over"
        with pytest.raises(errors.PodFailed):
            await pod.wait_until_ready(5)


async def test_a_pod_that_somebody_deletes_mid_stream(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    async with running(kubebox, "deleted") as pod, boxed(kubebox, pod) as box:
        stream = await box.stream("while :; do echo x; sleep 0.1; done")
        await box.first_output(stream)
        kubectl("delete", "pod", "deleted", f"--namespace={restricted}", "--wait=false")
        began = time.monotonic()
        assert (await told(pod)).kind == "deleted"
        assert time.monotonic() - began < TOLD_SECONDS + 5  # its grace comes first
        await box.client.disconnect()


async def test_a_pod_that_is_evicted(kubebox: Kubebox, kubectl: Kubectl, restricted: str) -> None:
    async with running(kubebox, "evicted") as pod:
        eviction = (
            '{"apiVersion": "policy/v1", "kind": "Eviction", '
            f'"metadata": {{"name": "evicted", "namespace": "{restricted}"}}}}'
        )
        kubectl(
            "create", "--raw", f"/api/v1/namespaces/{restricted}/pods/evicted/eviction", "--filename=-",
            given=eviction,
        )  # fmt: skip
        assert (await told(pod)).kind == "node-drained"


async def test_a_workspace_that_is_killed_leaves_server_files_and_journal(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    """F03, F10: commands end as `workspace-restarted`, and the next one runs as soon as it is back."""
    async with running(kubebox, "killed") as pod, boxed(kubebox, pod) as box:
        await box.client.write_file(box.session_id, "file", "kept")
        running_command = await box.background("echo said; sleep 600")
        first = aiter(running_command.attach())
        assert (await anext(first)).output == "said\n"
        os.kill(init_of(await uid_of(kubectl, pod, restricted)), signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(errors.SandboxLost) as lost:
            await running_command.wait()
        assert time.monotonic() - began < TOLD_SECONDS
        assert lost.value.verdict is not None
        assert lost.value.verdict.kind == "workspace-restarted"
        assert (await anext(aiter(running_command.attach()))).output == "said\n"
        async with asyncio.timeout(60):
            assert await again(box.client, box.session_id) == "kept"
            os.kill(init_of(await uid_of(kubectl, pod, restricted)), signal.SIGKILL)
            while "back-off" not in pod.progress:  # noqa: ASYNC110 - Kubernetes tells of it by and by
                await asyncio.sleep(0.1)
            assert "exit code 137" in pod.progress


async def test_out_of_memory_ends_the_command_and_not_the_sandbox(kubebox: Kubebox) -> None:
    """H27: where the kernel takes one process, the verdict is the command's."""
    async with (
        running(kubebox, "hungry", resources={"memory": "256Mi"}) as pod,
        boxed(kubebox, pod) as box,
    ):
        result = await box.wait(
            ["python3", "-c", "b = bytearray(10**9); [b.__setitem__(i, 1) for i in range(0, 10**9, 4096)]"]
        )
        assert result.verdict is not None
        assert result.verdict.kind in ("out-of-memory", "workspace-restarted")
        assert (await box.wait("echo alive")).stdout == "alive\n"


async def uid_of(kubectl: Kubectl, pod: KubeboxPod, namespace: str) -> str:
    return kubectl("get", "pod", pod.name, f"--namespace={namespace}", "--output=jsonpath={.metadata.uid}")


def init_of(uid: str) -> int:
    """The first process of a pod's workspace, as this machine sees it."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (
                b"/run/kubebox/init\0--socket" in (entry / "cmdline").read_bytes()
                and uid in (entry / "cgroup").read_text()
            ):
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"no workspace of pod {uid} runs on this machine")


async def again(client: SandboxClient, session_id: str) -> str:
    """Read the file as soon as there is a workspace again."""
    while True:
        try:
            return await client.get_file(session_id, "file")
        except errors.WorkspaceError:
            await asyncio.sleep(0.2)  # nothing tells of its return but an answer
