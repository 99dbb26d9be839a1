"""Each line of the pod's profile, seen from where it holds; and taken away, to see that it would be missed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kubebox import Kubebox, KubeboxPod
from kubebox.testing import Box
from kubebox_cluster import names, profile
from kubebox_cluster.quantities import quantity
from kubebox_cluster.specification import Specification
from testcluster.configuration import OTHER_HANDLER
from tests.cluster.places import boxed, manager, running

Manifest = dict[str, Any]
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


@pytest.fixture(scope="module")
async def pod(kubebox: Kubebox, kubectl: Kubectl, namespace: str) -> AsyncIterator[KubeboxPod]:
    link(kubectl, namespace)
    async with running(kubebox, "profiled") as made:
        yield made


@pytest.fixture(scope="module")
async def box(kubebox: Kubebox, pod: KubeboxPod) -> AsyncIterator[Box]:
    async with boxed(kubebox, pod) as made:
        yield made


@pytest.fixture(scope="module")
def live(pod: KubeboxPod, kubectl: Kubectl, namespace: str) -> Manifest:
    """The pod as Kubernetes has it."""
    return json.loads(kubectl("get", "pod", pod.name, f"--namespace={namespace}", "--output=json"))


SEEN_INSIDE = {
    "automountServiceAccountToken": ("ls /var/run/secrets 2>/dev/null | wc -l", "0"),
    "enableServiceLinks": ("env | grep -c ^LINKED_", "0"),
    "dnsPolicy": ("cat /etc/resolv.conf", "nameserver 127.0.0.1"),
    "runAsUser": ("id -u", "10001"),
    "runAsGroup": ("id -g", "10001"),
    "fsGroup": ("touch /workspace/a && stat -c %g /workspace", "10001"),
    "allowPrivilegeEscalation": ("grep NoNewPrivs /proc/self/status | tr -d '[:space:]'", "NoNewPrivs:1"),
    "capabilities": ("grep -E 'Cap(Eff|Bnd|Inh|Amb)' /proc/self/status | grep -vc 0000000000000000", "0"),
    # init's own filter is one; the container runtime's is the other.
    "seccompProfile": ("grep -c '^Seccomp_filters:[[:space:]]*[2-9]' /proc/self/status", "1"),
    "control is read-only": (
        "touch /run/kubebox/x 2>&1 | grep -o 'Read-only file system'",
        "Read-only file system",
    ),
    "state is the server's": ("ls /var/lib/kubebox 2>/dev/null | wc -l", "0"),
    "/dev/shm is the workspace's": ("findmnt -no SOURCE /dev/shm", "tmpfs"),
    "/tmp is bounded": ("findmnt -no OPTIONS /tmp | grep -o size=262144k", "size=262144k"),
    "processes are the workspace's": (
        "tr '\\0' ' ' </proc/1/cmdline | cut -d' ' -f1",
        "/run/kubebox/init",
    ),
    "memory is bounded": (
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null",
        str(2 * 1024**3),
    ),
}
"""Lines of the profile, a command that sees them, and what it says."""


@pytest.mark.parametrize("line", SEEN_INSIDE)
async def test_a_line_holds_inside(line: str, box: Box) -> None:
    command, expected = SEEN_INSIDE[line]
    assert (await box.wait(command)).stdout.strip() == expected


SEEN_OUTSIDE: dict[str, Callable[[Manifest], Any]] = {
    "restartPolicy": lambda pod: pod["spec"]["restartPolicy"] == "Always",
    "activeDeadlineSeconds": lambda pod: pod["spec"]["activeDeadlineSeconds"] == 3600,
    "terminationGracePeriodSeconds": lambda pod: pod["spec"]["terminationGracePeriodSeconds"] == 5,
    "nodeSelector": lambda pod: pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"},
    "runAsNonRoot": lambda pod: pod["spec"]["securityContext"]["runAsNonRoot"],
    "the server is a sidecar": lambda pod: server(pod)["restartPolicy"] == "Always",
    "the server has a user of its own": lambda pod: server(pod)["securityContext"]["runAsUser"] == 10002,
    "the server cannot write its root": lambda pod: server(pod)["securityContext"]["readOnlyRootFilesystem"],
    "the server has no capabilities": lambda pod: (
        server(pod)["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    ),
    "probes are HTTP": lambda pod: all(
        "httpGet" in server(pod)[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    ),
    "disk is bounded": lambda pod: (
        quantity(workspace(pod)["resources"]["limits"]["ephemeral-storage"]) == 4 * 1024**3
    ),
    "the work's volume is bounded": lambda pod: (
        quantity(volume(pod, "work")["emptyDir"]["sizeLimit"]) == 4 * 1024**3
    ),
    "the journals' volume is bounded": lambda pod: "sizeLimit" in volume(pod, "state")["emptyDir"],
    "no volume is the node's": lambda pod: all("hostPath" not in one for one in pod["spec"]["volumes"]),
    "nothing of the node is shared": lambda pod: (
        not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"}
        & {name for name, value in pod["spec"].items() if value}
    ),
    "the server mounts nothing of the workspace": lambda pod: mounts(server(pod)) == {"control", "state"},
}
"""Lines of the profile that are Kubernetes' own to keep: that they are asked for."""


@pytest.mark.parametrize("line", SEEN_OUTSIDE)
def test_a_line_is_asked_for(line: str, live: Manifest) -> None:
    assert SEEN_OUTSIDE[line](live)


def test_the_namespace_takes_nothing_less_than_restricted(kubectl: Kubectl, restricted: str) -> None:
    """So whatever `restricted` asks for is there: without one of those lines no test of this file would have a pod."""
    labels = json.loads(kubectl("get", "namespace", restricted, "--output=json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def link(kubectl: Kubectl, namespace: str) -> None:
    """Make a Service: were service links on, each command of a later pod would see a variable of it."""
    kubectl("create", "service", "clusterip", "linked", "--tcp=80", f"--namespace={namespace}")


def server(pod: Manifest) -> Manifest:
    return next(one for one in pod["spec"]["initContainers"] if one["name"] == names.SERVER)


def workspace(pod: Manifest) -> Manifest:
    return next(one for one in pod["spec"]["containers"] if one["name"] == names.WORKSPACE)


def volume(pod: Manifest, name: str) -> Manifest:
    return next(one for one in pod["spec"]["volumes"] if one["name"] == name)


def mounts(container: Manifest) -> set[str]:
    return {mount["name"] for mount in container["volumeMounts"]}


# Not `allowPrivilegeEscalation`, which init takes from commands a second time, and without which `restricted` refuses a pod; nor
# `runAsGroup`, which the image's own account stands in for.
REMOVALS: dict[str, Callable[[Manifest], Any]] = {
    "automountServiceAccountToken": lambda pod: pod["spec"].pop("automountServiceAccountToken"),
    "enableServiceLinks": lambda pod: pod["spec"].pop("enableServiceLinks"),
    "dnsPolicy": lambda pod: (pod["spec"].pop("dnsPolicy"), pod["spec"].pop("dnsConfig")),
    "capabilities": lambda pod: workspace(pod)["securityContext"].pop("capabilities"),
    "seccompProfile": lambda pod: pod["spec"]["securityContext"].pop("seccompProfile"),
    "control is read-only": lambda pod: workspace(pod)["volumeMounts"][0].pop("readOnly"),
    "/dev/shm is the workspace's": lambda pod: workspace(pod)["volumeMounts"].pop(3),
    "/tmp is bounded": lambda pod: volume(pod, "tmp")["emptyDir"].pop("sizeLimit"),
    "processes are the workspace's": lambda pod: pod["spec"].update(shareProcessNamespace=True),
    "memory is bounded": lambda pod: workspace(pod)["resources"]["limits"].pop("memory"),
}


@pytest.fixture(scope="module")
def open_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace that takes any pod."""
    name = f"open-{uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    link(kubectl, name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def another_runtime(kubectl: Kubectl, testcluster_place: object) -> Iterator[str]:
    """A RuntimeClass that leads to the runtime which the test cluster has besides."""
    name = f"another-{uuid4().hex[:8]}"
    runtime_class = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": OTHER_HANDLER,
    }
    kubectl("apply", "--filename=-", given=json.dumps(runtime_class))
    yield name
    kubectl("delete", "runtimeclass", name)


async def test_a_runtime_class_is_taken_on_request(
    kubebox: Kubebox, kubectl: Kubectl, namespace: str, another_runtime: str
) -> None:
    async with (
        running(kubebox, "elsewhere", runtime_class=another_runtime) as made,
        boxed(kubebox, made) as box,
    ):
        assert (await box.wait("echo hello")).stdout == "hello\n"
        field = "--output=jsonpath={.spec.runtimeClassName}"
        assert kubectl("get", "pod", made.name, f"--namespace={namespace}", field) == another_runtime


async def test_a_line_that_is_taken_away_is_missed(
    kubeconfig: Path, open_namespace: str, images: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod for each line, all at once; the command that sees it says something else there."""
    whole = profile.pod
    lines = {f"without-{number}": line for number, line in enumerate(REMOVALS)}

    def lacking(specification: Specification, owner: Manifest) -> Manifest:
        made = whole(specification, owner)
        REMOVALS[lines[specification.name]](made)
        return made

    monkeypatch.setattr(profile, "pod", lacking)
    async with manager(kubeconfig, open_namespace) as kubebox, asyncio.TaskGroup() as group:
        for name, line in lines.items():
            group.create_task(_is_missed(kubebox, name, *SEEN_INSIDE[line]))


async def _is_missed(kubebox: Kubebox, name: str, command: str, expected: str) -> None:
    async with running(kubebox, name) as pod, boxed(kubebox, pod) as box:
        assert (await box.wait(command)).stdout.strip() != expected, command
