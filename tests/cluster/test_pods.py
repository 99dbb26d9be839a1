"""Pods by name: the same again is the same, whoever asks; another is a conflict; and nothing is left behind."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from kubebox import Kubebox, SandboxClient
from kubebox.errors import InvalidArgument, PodConflict, SandboxReplaced, TokenInvalid
from kubebox_cluster import names
from kubebox_protocol.keys import new_private_key
from tests.cluster.places import READY_SECONDS, boxed, manager, running

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


async def test_another_program_with_the_same_key_finds_the_same_pod(
    kubebox: Kubebox, kubeconfig: Path, restricted: str
) -> None:
    async with running(kubebox, "found") as pod, boxed(kubebox, pod) as box:
        await box.client.write_file(box.session_id, "mine", "here")
        async with manager(kubeconfig, restricted, private_key=kubebox.private_key) as other:
            again = other.create_pod("found")
            await again.wait_until_ready(READY_SECONDS)
            assert again.identity == pod.identity
            async with SandboxClient(kubebox.private_key, f"http://{await again.address()}") as client:
                assert await client.get_file(box.session_id, "mine") == "here"


async def test_pods_outlive_the_program_that_made_them(
    kubebox: Kubebox, kubeconfig: Path, restricted: str
) -> None:
    async with running(kubebox, "outlives") as pod:
        async with manager(kubeconfig, restricted, private_key=kubebox.private_key) as other:
            assert [one.name for one in await other.get_all_pods() if one.name == "outlives"] == ["outlives"]
        assert await pod.verdict() is None


async def test_another_specification_is_a_conflict(
    kubebox: Kubebox, kubeconfig: Path, restricted: str
) -> None:
    async with running(kubebox, "taken"):
        async with manager(kubeconfig, restricted, private_key=kubebox.private_key) as other:
            with pytest.raises(PodConflict, match="another specification"):
                await other.create_pod("taken", env={"A": "b"}).wait_until_ready(READY_SECONDS)
        assert [pod.name for pod in await kubebox.get_all_pods() if pod.name == "taken"] == ["taken"]


async def test_another_users_pod_is_a_conflict_and_its_door_stays_closed(
    kubebox: Kubebox, kubeconfig: Path, restricted: str
) -> None:
    async with running(kubebox, "theirs") as pod, manager(kubeconfig, restricted) as other:
        with pytest.raises(PodConflict, match="another's"):
            await other.create_pod("theirs").wait_until_ready(READY_SECONDS)
        with pytest.raises(TokenInvalid):
            await SandboxClient(new_private_key(), f"http://{await pod.address()}").connect(5)


async def test_what_is_not_kubeboxs_is_left_alone(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    kubectl("create", "service", "clusterip", "foreign", "--tcp=80", f"--namespace={restricted}")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "foreign"}}
    kubectl("apply", f"--namespace={restricted}", "--filename=-", given=json.dumps(lease))
    with pytest.raises(PodConflict, match="not Kubebox's"):
        await kubebox.create_pod("foreign").wait_until_ready(READY_SECONDS)
    with pytest.raises(PodConflict, match="not Kubebox's"):
        await kubebox.create_service("foreign").wait_until_ready(READY_SECONDS)
    await kubebox.collect_garbage()
    kubectl("get", "service/foreign", "lease/foreign", f"--namespace={restricted}")


async def test_a_failed_join_leaves_a_running_sandbox_alone(
    kubebox: Kubebox, kubeconfig: Path, restricted: str
) -> None:
    async with running(kubebox, "joined") as pod:
        async with manager(kubeconfig, restricted, private_key=kubebox.private_key) as other:
            joining = other.create_pod("joined")
            await joining.wait_until_ready(READY_SECONDS)
        assert await pod.verdict() is None
        for _ in range(3):
            assert "joined" in [one.name for one in await kubebox.get_all_pods()]


async def test_destroying_what_is_still_being_made_leaves_nothing(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    pods = [kubebox.create_pod(f"unborn-{number}") for number in range(4)]
    for number, pod in enumerate(pods):
        with contextlib.suppress(TimeoutError):
            await pod.wait_until_ready(0.05 * (number + 1))
        await pod.destroy()
    left = kubectl("get", "pods,secrets", f"--namespace={restricted}", "--output=name")
    assert "unborn" not in left


async def test_an_ended_sandboxs_network_is_not_the_next_ones(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    """Even where whoever ended it did not come to clear up."""
    async with running(kubebox, "open-once", network="internet") as pod:
        kubectl("delete", "pod", pod.name, f"--namespace={restricted}", "--grace-period=0", "--force")
        egress = names.egress_policy("open-once")
    async with running(kubebox, "open-once"):
        policies = kubectl("get", "networkpolicies", f"--namespace={restricted}", "--output=name")
        assert egress not in policies


async def test_a_new_pod_of_an_old_name_is_another_sandbox(kubebox: Kubebox) -> None:
    """F11: whoever knew the first one does not sign for the second."""
    async with running(kubebox, "reborn") as pod:
        first = pod.identity
    async with running(kubebox, "reborn") as pod:
        assert pod.identity != first
        client = SandboxClient(kubebox.private_key, f"http://{await pod.address()}", identity=first)
        with pytest.raises(SandboxReplaced):
            await client.connect(5)


async def test_what_was_just_found_can_be_destroyed_at_once(
    kubebox: Kubebox, kubeconfig: Path, kubectl: Kubectl, restricted: str
) -> None:
    async with running(kubebox, "just-found"):
        async with manager(kubeconfig, restricted, private_key=kubebox.private_key) as other:
            (found,) = [pod for pod in await other.get_all_pods() if pod.name == "just-found"]
            await found.destroy()
        left = kubectl(
            "get",
            "pods",
            f"--namespace={restricted}",
            f"--selector={names.selector('just-found')}",
            "--output=name",
        )
        assert left.split() == []


async def test_destroying_leaves_the_record_alone_and_tells_how_it_ended(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    async with running(kubebox, "destroyed") as pod:
        await kubebox.create_service("destroyed").wait_until_ready(READY_SECONDS)
        assert "connected" in await pod.logs()
    verdict = await pod.verdict()
    assert verdict is not None
    assert verdict.kind == "destroyed"
    assert "connected" in await pod.logs()
    left = kubectl(
        "get", "pods,services,secrets,networkpolicies", f"--namespace={restricted}",
        f"--selector={names.selector('destroyed')}", "--output=name",
    )  # fmt: skip
    assert left.split() == []
    lease = json.loads(kubectl("get", "lease", "destroyed", f"--namespace={restricted}", "--output=json"))
    assert json.loads(lease["metadata"]["annotations"][names.VERDICT])["kind"] == "destroyed"


async def test_deleting_the_record_takes_everything_with_it(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    pod = kubebox.create_pod("owned")
    service = kubebox.create_service("owned")
    await pod.wait_until_ready(READY_SECONDS)
    await service.wait_until_ready(READY_SECONDS)
    kubectl("delete", "lease", "owned", f"--namespace={restricted}")
    verdict = await pod.verdict_within(60)
    assert verdict is not None
    assert verdict.kind == "deleted"
    for kind in ("pod/owned", "service/owned", f"secret/{names.keys_secret('owned')}"):
        kubectl("wait", kind, "--for=delete", f"--namespace={restricted}", "--timeout=30s")
    await pod.destroy()


async def test_a_service_of_a_new_pod_of_an_old_name_stays(kubebox: Kubebox) -> None:
    """The record of the first one must not take along what is made for the second."""
    for _ in range(2):
        pod, service = kubebox.create_pod("named-again"), kubebox.create_service("named-again")
        await pod.wait_until_ready(READY_SECONDS)
        address = await service.get_external_ip(READY_SECONDS)
        assert not address.startswith("127.0.0.1")
        await pod.destroy()


async def test_secrets_are_variables_of_commands_and_nothing_else(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    value = f"secret-{uuid4()}"
    kubebox.create_secret("tokens", {"TOKEN": value})
    async with running(kubebox, "secretive", secrets=["tokens"]) as pod, boxed(kubebox, pod) as box:
        assert (await box.wait("printf %s $TOKEN")).stdout == value
        pods = kubectl("get", "pod", "secretive", f"--namespace={restricted}", "--output=yaml")
        assert value not in pods
        assert value not in await pod.logs()


async def test_expired_records_are_swept_and_what_lives_is_not(
    kubebox: Kubebox, kubectl: Kubectl, restricted: str
) -> None:
    async with running(kubebox, "alive") as pod:
        for name in ("alive", "forgotten"):
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": name,
                    "labels": names.labels(name),
                    "annotations": {names.EXPIRES: "1"},
                },
            }
            kubectl(
                "apply",
                "--server-side",
                "--force-conflicts",
                f"--namespace={restricted}",
                "--filename=-",
                given=json.dumps(lease),
            )
        swept = await kubebox.collect_garbage()
        assert "sandbox/forgotten" in swept
        assert "sandbox/alive" not in swept
        assert await pod.verdict() is None


async def test_a_partial_pod_cannot_touch_the_walls(kubebox: Kubebox) -> None:
    with pytest.raises(InvalidArgument, match="hostNetwork"):
        await kubebox.create_pod("greedy", pod={"spec": {"hostNetwork": True}}).wait_until_ready(10)


async def test_options_reach_the_pod(kubebox: Kubebox) -> None:
    options = {
        "env": {"A": "b c", "D": "$(HOME)$$"},
        "resources": {"memory": "512Mi", "cpu": 1},
        "pod": {"metadata": {"labels": {"team": "a"}}},
        "roots": ["/workspace", "/tmp"],
    }
    async with running(kubebox, "optioned", **options) as pod, boxed(kubebox, pod, "/tmp/work") as box:
        result = await box.wait('printf "%s|" "$A" "$D" "$PWD"')
        assert result.stdout == "b c|$(HOME)$$|/tmp/work|"
        assert pod.limits["memory"]["value"] == 512 * 1024**2
        assert pod.limits["cpu"]["value"] == 1
