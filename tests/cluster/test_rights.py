"""The rights of `deploy/rbac/client.yaml`: enough, and each of them needed; and a client that runs inside the cluster."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubebox import Kubebox, errors
from kubebox.cluster.doctor.rights import RIGHTS
from tests.cluster.places import READY_SECONDS, boxed, manager, running

Kubectl = Callable[..., str]
Rule = dict[str, Any]
MANIFEST = Path(__file__).parents[2] / "deploy/rbac/client.yaml"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))
RULES: list[Rule] = next(one["rules"] for one in DOCUMENTS if one["kind"] == "Role")


@pytest.fixture(scope="module")
def client_config(kubectl: Kubectl, kubeconfig: Path, restricted: str, images: object) -> dict[str, Any]:
    """A kubeconfig of the ServiceAccount that the manifest makes."""
    kubectl("apply", f"--namespace={restricted}", f"--filename={MANIFEST}")
    token = kubectl("create", "token", "kubebox-client", f"--namespace={restricted}", "--duration=2h").strip()
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    return config


@pytest.fixture
async def kubebox(client_config: dict[str, Any], restricted: str) -> AsyncIterator[Kubebox]:
    async with manager(client_config, restricted) as made:
        yield made


@pytest.fixture
def whole_role(kubectl: Kubectl, restricted: str) -> Iterator[None]:
    yield
    kubectl("apply", f"--namespace={restricted}", f"--filename={MANIFEST}")


async def use_everything(kubebox: Kubebox) -> None:
    """All that a program does with sandboxes."""
    kubebox.create_secret("spoken", {"WORD": "hello"})
    async with running(kubebox, secrets=["spoken"]) as pod:
        service = kubebox.create_service(pod.name)
        await service.get_external_ip(READY_SECONDS)
        await service.update_network_policy(["203.0.113.0/24"])
        async with boxed(kubebox, pod) as box:
            assert (await box.wait("echo $WORD")).stdout == "hello\n"
        assert "connected" in await pod.logs()
        assert pod.name in [one.name for one in await kubebox.get_all_pods()]
        assert pod.name in [one.id for one in await kubebox.get_all_sandboxes()]
        await pod.set_timeout(600)
        await service.destroy()
    await kubebox.collect_garbage()


async def test_they_are_enough(kubebox: Kubebox) -> None:
    await use_everything(kubebox)


NEEDED = [rule for rule in RULES if rule["resources"] not in (["pods/log"], ["events"])]
"""Those without which something fails; without the other two less is known."""


@pytest.mark.parametrize("rule", NEEDED, ids=lambda rule: "+".join(rule["resources"]).replace("/", "-"))
async def test_each_is_needed(
    rule: Rule, client_config: dict[str, Any], restricted: str, kubectl: Kubectl, whole_role: None
) -> None:
    role = next(dict(one) for one in DOCUMENTS if one["kind"] == "Role")
    role["rules"] = [one for one in RULES if one != rule]
    kubectl("apply", f"--namespace={restricted}", "--filename=-", given=json.dumps(role))
    async with manager(client_config, restricted) as kubebox:
        with pytest.raises((errors.ClusterForbidden, errors.PodNotReady)):
            await use_everything(kubebox)


def test_the_doctor_asks_for_just_these() -> None:
    written = {(resource, verb) for rule in RULES for resource in rule["resources"] for verb in rule["verbs"]}
    asked = {(right.name, verb) for right in RIGHTS for verb in right.verbs}
    assert asked - {("namespaces", "get")} == written
