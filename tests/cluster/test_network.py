"""H34: a sandbox reaches no network that it was not given, from its first packet."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kubebox import Kubebox, errors
from kubebox.testing import Box
from tests.cluster.places import boxed, manager, running

Kubectl = Callable[..., str]

CONNECT = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), 1.5).close()
        print(target)
    except OSError:
        pass
"""
"""Prints those targets that take a connection."""


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


@pytest.fixture(scope="module")
def inside(kubectl: Kubectl, namespace: str, images: object) -> list[str]:
    """Addresses within the cluster that answer whoever is let through."""
    service = json.loads(kubectl("get", "service", "kubernetes", "--namespace=default", "--output=json"))
    nodes = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    node = next(one["address"] for one in nodes[0]["status"]["addresses"] if one["type"] == "InternalIP")
    endpoints = json.loads(kubectl("get", "endpointslices", "--namespace=default", "--output=json"))["items"]
    api = [
        f"{address}:{ports['port']}"
        for one in endpoints
        for ports in one["ports"]
        for entry in one["endpoints"]
        for address in entry["addresses"]
    ]
    return [f"{service['spec']['clusterIP']}:443", f"{node}:10250", *api]


NOWHERE = ["169.254.169.254:80", "100.100.100.200:80", "168.63.129.16:80", "[fd00:ec2::254]:80", "1.1.1.1:53"]


async def reached(box: Box, targets: list[str]) -> list[str]:
    result = await box.wait(["python3", "-c", CONNECT, *targets])
    assert result.exit_code == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("network", ["none", "internet"])
async def test_nothing_of_the_cluster_is_reached(kubebox: Kubebox, inside: list[str], network: str) -> None:
    async with running(kubebox, network=network) as pod, boxed(kubebox, pod) as box:
        assert await reached(box, [*inside, *NOWHERE]) == []


async def test_names_do_not_resolve(kubebox: Kubebox) -> None:
    async with running(kubebox) as pod, boxed(kubebox, pod) as box:
        code = "import socket; socket.getaddrinfo('metadata.google.internal', 80)"
        result = await box.wait(["python3", "-c", code], timeout=20)
        assert "gaierror" in result.stderr


async def test_another_sandbox_is_not_reached(kubebox: Kubebox, kubectl: Kubectl, restricted: str) -> None:
    async with running(kubebox, "neighbour"), running(kubebox, "curious", network=["10.0.0.0/8"]) as pod:
        address = kubectl(
            "get", "pod", "neighbour", f"--namespace={restricted}", "--output=jsonpath={.status.podIP}"
        )
        async with boxed(kubebox, pod) as box:
            assert await reached(box, [f"{address}:8080"]) == []


async def test_a_listed_network_is_reached_and_no_other(
    kubebox: Kubebox, kubectl: Kubectl, inside: list[str], restricted: str
) -> None:
    """A pod of somebody else, which no policy of ours touches, answers whoever may come out."""
    kubectl("apply", f"--namespace={restricted}", "--filename=-", given=json.dumps(listener()))
    kubectl("wait", "pod/listener", "--for=condition=Ready", f"--namespace={restricted}", "--timeout=60s")
    address = kubectl(
        "get", "pod", "listener", f"--namespace={restricted}", "--output=jsonpath={.status.podIP}"
    )
    async with running(kubebox, network=[f"{address}/32"]) as pod, boxed(kubebox, pod) as box:
        assert await reached(box, [f"{address}:8000", *inside, *NOWHERE]) == [f"{address}:8000"]
    async with running(kubebox) as pod, boxed(kubebox, pod) as box:
        assert await reached(box, [f"{address}:8000"]) == []


async def test_others_pods_are_not_touched(kubectl: Kubectl, restricted: str) -> None:
    policies = json.loads(kubectl("get", "networkpolicies", f"--namespace={restricted}", "--output=json"))
    selectors = [policy["spec"]["podSelector"] for policy in policies["items"]]
    assert selectors
    assert all("kubebox.dev/sandbox" in json.dumps(selector) for selector in selectors)


async def test_metadata_services_cannot_be_asked_for(kubebox: Kubebox) -> None:
    with pytest.raises(errors.InvalidArgument, match="no sandbox reaches"):
        await kubebox.create_pod("thief", network=["169.254.169.254/32"]).wait_until_ready(20)


async def test_no_command_starts_where_the_network_is_open(
    kubebox: Kubebox, kubeconfig: Path, kubectl: Kubectl
) -> None:
    """Where a policy of somebody else opens what is closed, the canary sees it, and the operator can allow it."""
    namespace = "kubebox-open-network"
    kubectl("create", "namespace", namespace)
    kubectl("apply", f"--namespace={namespace}", "--filename=-", given=json.dumps(everything_open()))
    try:
        async with manager(kubeconfig, namespace) as opened:
            with pytest.raises(errors.NetworkOpen, match=r"kubebox.dev/open-network=allowed"):
                await opened.create_pod("exposed").wait_until_ready(60)
        kubectl("label", "namespace", namespace, "kubebox.dev/open-network=allowed")
        async with (
            manager(kubeconfig, namespace) as opened,
            running(opened) as pod,
            boxed(opened, pod) as box,
        ):
            assert (await box.wait("echo runs")).stdout == "runs\n"
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


def everything_open() -> dict[str, object]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "open"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
    }


def listener() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "listener"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10003,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "listener",
                    "image": image(),
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-m", "http.server", "8000"],
                    "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def image() -> str:
    import os

    return os.environ["KUBEBOX_IMAGE"]
