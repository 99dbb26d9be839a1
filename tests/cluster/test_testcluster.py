"""What the test cluster promises to all other tests here: it is a cluster like others, only small."""

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from testcluster import cgroups, cluster
from testcluster.components import COMPONENTS, LOAD_BALANCER
from testcluster.errors import CommandFailed
from testcluster.fixtures import Kubectl
from testcluster.kubernetes import Api
from testcluster.node import HOLDER, PRIVATE_FOLDERS, processes
from testcluster.place import MOST_CLUSTERS, Place
from testcluster.run import run

SERVE = (
    "mkdir /tmp/www && hostname >/tmp/www/index.html && exec python3 -m http.server 8080 --directory /tmp/www"
)
PROBE = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
PATIENCE = "60s"


@pytest.fixture(scope="module")
def api(testcluster_place: Place) -> Api:
    return Api(testcluster_place.kubeconfig)


@pytest.fixture(scope="module")
def server(kubectl: Kubectl, namespace: str, images: Mapping[str, str]) -> str:
    """A pod that serves, and a Service for it; the pod's address."""
    start(kubectl, namespace, pod("server", images["base"], SERVE, labels={"app": "server"}))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server"},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "server"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    }
    kubectl("apply", "--namespace", namespace, "--filename", "-", given=json.dumps(service))
    return address_of(kubectl, namespace, "server")


def pod(
    name: str, image: str, script: str, *, labels: Mapping[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": image, "command": ["sh", "-c", script]}
    if script == SERVE:
        container |= {"readinessProbe": PROBE}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }


def start(kubectl: Kubectl, namespace: str, manifest: dict[str, Any]) -> None:
    kubectl("apply", "--namespace", namespace, "--filename", "-", given=json.dumps(manifest))
    condition = "--for=condition=Ready"
    kubectl(
        "wait",
        "--namespace",
        namespace,
        condition,
        f"pod/{manifest['metadata']['name']}",
        f"--timeout={PATIENCE}",
    )


def finish(kubectl: Kubectl, namespace: str, manifest: dict[str, Any]) -> str:
    """Run a pod to its end; what it said."""
    name = manifest["metadata"]["name"]
    kubectl("apply", "--namespace", namespace, "--filename", "-", given=json.dumps(manifest))
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    kubectl("wait", "--namespace", namespace, ended, f"pod/{name}", f"--timeout={PATIENCE}")
    said = kubectl("logs", "--namespace", namespace, name)
    kubectl("delete", "pod", "--namespace", namespace, name, "--wait=false")
    return said.strip()


def address_of(kubectl: Kubectl, namespace: str, name: str) -> str:
    return kubectl("get", "pod", "--namespace", namespace, name, "--output=jsonpath={.status.podIP}")


def load_balancer(kubectl: Kubectl, namespace: str) -> str:
    path = "{.status.loadBalancer.ingress[0].ip}"
    kubectl(
        "wait", "--namespace", namespace, f"--for=jsonpath={path}", "service/server", f"--timeout={PATIENCE}"
    )
    return kubectl("get", "service", "--namespace", namespace, "server", f"--output=jsonpath={path}")


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode().strip()


def ask(*hosts: str) -> str:
    """A script that tells of each host what it serves, or that it does not answer within two seconds."""
    return "; ".join(f"curl -s -m 2 http://{host} || echo closed" for host in hosts)


def test_its_node_is_ready_and_all_components_run(testcluster_place: Place, kubectl: Kubectl) -> None:
    assert "True" in kubectl("get", "nodes", "--output=jsonpath={..conditions[?(@.type=='Ready')].status}")
    assert all(processes(testcluster_place).pid(name) for name in COMPONENTS)


def test_pods_reach_pods_and_services(
    kubectl: Kubectl, namespace: str, images: Mapping[str, str], server: str
) -> None:
    service = kubectl(
        "get", "service", "--namespace", namespace, "server", "--output=jsonpath={.spec.clusterIP}"
    )
    said = finish(kubectl, namespace, pod("asks", images["base"], ask(f"{server}:8080", service)))
    assert said.split() == ["server", "server"]


def test_a_load_balancer_leads_from_this_machine_to_the_pod(
    kubectl: Kubectl, namespace: str, server: str
) -> None:
    assert server
    assert fetch(f"http://{load_balancer(kubectl, namespace)}") == "server"


def test_commands_run_in_containers_and_their_exit_codes_come_back(
    kubectl: Kubectl, namespace: str, server: str
) -> None:
    assert server
    inside = ("exec", "--namespace", namespace, "server", "--", "sh", "-c")
    assert kubectl(*inside, "hostname") == "server\n"
    with pytest.raises(CommandFailed) as failed:
        kubectl(*inside, "exit 7")
    assert failed.value.code == 7


def test_images_of_other_worlds_run(kubectl: Kubectl, namespace: str, images: Mapping[str, str]) -> None:
    assert finish(kubectl, namespace, pod("musl", images["musl"], "report x")).split()[-1] == "argument=x"
    static = pod("static", images["static"], "")
    static["spec"]["containers"][0]["command"] = ["/program", "x"]
    assert json.loads(finish(kubectl, namespace, static))["arguments"] == ["/program", "x"]


def test_a_runtime_class_chooses_the_other_handler(
    kubectl: Kubectl, namespace: str, images: Mapping[str, str]
) -> None:
    runtime = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": f"other-{namespace}"},
        "handler": "other",
    }
    kubectl("apply", "--filename", "-", given=json.dumps(runtime))
    try:
        manifest = pod("other", images["musl"], "echo runs", runtimeClassName=f"other-{namespace}")
        assert finish(kubectl, namespace, manifest) == "runs"
    finally:
        kubectl("delete", "runtimeclass", f"other-{namespace}")


def deny(name: str, kind: str, *, allowed: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    rules = {kind.lower(): allowed} if allowed else {}
    spec = {"podSelector": {"matchLabels": {"wall": name}}, "policyTypes": [kind], **rules}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_a_policy_holds_from_the_first_packet_of_a_pod_that_is_younger(
    kubectl: Kubectl, namespace: str, images: Mapping[str, str], server: str, testcluster_place: Place
) -> None:
    kubectl("apply", "--namespace", namespace, "--filename", "-", given=json.dumps(deny("out", "Egress")))
    hosts = [
        f"{server}:8080",
        f"{testcluster_place.node_address}:10250",
        f"{testcluster_place.service_address('0.1')}:443",
    ]
    # It asks from its first moment on, and again when its address is long known.
    script = "; ".join(
        f"timeout 1 bash -c '</dev/tcp/{host.replace(':', '/')}' && echo open || echo closed"
        for host in hosts * 2
    )
    held = finish(kubectl, namespace, pod("held", images["base"], script, labels={"wall": "out"}))
    assert set(held.split()) == {"closed"}
    # The same questions from a pod without a policy: that nothing answered above was the policy's doing.
    free = finish(kubectl, namespace, pod("free", images["base"], script))
    assert set(free.split()[-len(hosts) :]) == {"open"}


def test_a_policy_lets_in_whom_it_names_and_nobody_else(
    kubectl: Kubectl, namespace: str, images: Mapping[str, str], server: str
) -> None:
    assert server
    named = [{"from": [{"podSelector": {"matchLabels": {"guest": "yes"}}}], "ports": [{"port": 8080}]}]
    kubectl(
        "apply",
        "--namespace",
        namespace,
        "--filename",
        "-",
        given=json.dumps(deny("in", "Ingress", allowed=named)),
    )
    start(kubectl, namespace, pod("walled", images["base"], SERVE, labels={"wall": "in"}))
    walled = address_of(kubectl, namespace, "walled")
    asking = ask(f"{walled}:8080")
    assert finish(kubectl, namespace, pod("stranger", images["base"], asking)) == "closed"
    # A pod's address is published a moment after its start, and it is nobody's guest before.
    patient = f"for again in 1 2 3 4 5; do curl -s -m 1 http://{walled}:8080 && exit; done"
    guest = pod("guest", images["base"], patient, labels={"guest": "yes"})
    assert finish(kubectl, namespace, guest) == "walled"


def test_pods_reach_this_machine_by_a_public_address(
    kubectl: Kubectl, namespace: str, images: Mapping[str, str], testcluster_place: Place, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("the internet\n", encoding="ascii")
    with serving(testcluster_place.public_address, tmp_path) as port:
        asking = f"for again in 1 2 3 4 5; do curl -s -m 1 http://{testcluster_place.public_address}:{port} && exit; done"
        assert finish(kubectl, namespace, pod("outward", images["base"], asking)) == "the internet"


@contextlib.contextmanager
def serving(address: str, folder: Path) -> Generator[int]:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", address, "--directory", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().split(" port ")[1].split()[0])
    finally:
        process.terminate()
        process.communicate()


def test_an_api_server_that_restarts_disturbs_no_pod(
    kubectl: Kubectl, namespace: str, images: Mapping[str, str], server: str, testcluster_place: Place
) -> None:
    before = processes(testcluster_place).pid("apiserver")
    address = load_balancer(kubectl, namespace)
    cluster.stop(testcluster_place, "apiserver")
    assert not Api(testcluster_place.kubeconfig).is_ready()
    assert fetch(f"http://{address}") == "server"
    cluster.start(testcluster_place, "apiserver")
    assert processes(testcluster_place).pid("apiserver") != before
    # Those who watch have found it again: a new pod comes to be, with an address that others know of.
    patient = f"for again in 1 2 3 4 5 6 7 8 9; do curl -s -m 1 http://{server}:8080 && exit; done"
    assert finish(kubectl, namespace, pod("later", images["base"], patient)) == "server"
    restarts = "--output=jsonpath={.status.containerStatuses[0].restartCount}"
    assert kubectl("get", "pod", "--namespace", namespace, "server", restarts) == "0"


@pytest.fixture
def another(testcluster_place: Place, tmp_path: Path) -> Iterator[Place]:
    """The place of another cluster beside the one that all tests share."""
    place = Place(MOST_CLUSTERS - 1, tmp_path / "state")
    assert place.number != testcluster_place.number
    yield place
    cluster.down(place)
    shutil.rmtree(place.containerd, ignore_errors=True)


def traces(place: Place) -> dict[str, list[str]]:
    """What of this machine a cluster changes."""
    return {
        "mounts": sorted(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()),
        "links": sorted(json.dumps(link["ifname"]) for link in json.loads(run("ip", "-json", "link"))),
        "routes": sorted(run("ip", "route", "show", "table", "all", "dev", place.link).splitlines())
        if Path(f"/sys/class/net/{place.link}").exists()
        else [],
        "network namespaces": sorted(run("ip", "netns", "list").splitlines()),
        "control groups": sorted(
            str(hierarchy / place.name)
            for hierarchy in cgroups.hierarchies()
            if (hierarchy / place.name).exists()
        ),
        "processes": [path.name for path in Path("/proc").glob("[0-9]*") if mentions(path, place)],
        "folders": [folder for folder in (*PRIVATE_FOLDERS, str(place.state)) if Path(folder).exists()],
    }


def mentions(process: Path, place: Place) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return str(place.state).encode() in (process / "cmdline").read_bytes()
    return False


def test_a_cluster_that_is_down_leaves_nothing(another: Place) -> None:
    before = traces(another)
    cluster.up(another, without=[LOAD_BALANCER])
    during = traces(another)
    assert [what for what in during if during[what] == before[what]] == ["mounts", "network namespaces"]
    assert processes(another).pid("kubelet") is not None
    assert processes(another).pid(LOAD_BALANCER) is None
    cluster.down(another)
    assert traces(another) == before


def test_a_cluster_whose_node_was_killed_is_removed_all_the_same(another: Place) -> None:
    before = traces(another)
    cluster.up(another)
    for name in (HOLDER, "containerd", "kubelet"):
        run("kill", "-KILL", str(processes(another).pid(name)))
    cluster.down(another)
    assert traces(another) == before
