"""The components: what runs in the node, and with which arguments."""

import sys
from collections.abc import Callable, Mapping
from typing import Final

from testcluster import compile
from testcluster.node import processes, within
from testcluster.place import NODE_NAME, ROOT, Place

ETCD: Final = "http://127.0.0.1:2379"
"""In the node alone, so it needs neither certificates nor a free port of the machine."""

LOAD_BALANCER: Final = "loadbalancer"


def start_component(place: Place, name: str) -> None:
    """Start a component, unless it runs.

    Args:
        place: The cluster's.
        name: One of `COMPONENTS`.
    """
    if processes(place).pid(name) is None:
        processes(place).start(name, within(place, *COMPONENTS[name](place)))


def _etcd(place: Place) -> list[str]:
    return [
        "etcd", "--data-dir", str(place.state / "etcd"),
        "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD, "--listen-peer-urls", "http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # nothing here shall survive the machine
    ]  # fmt: skip


def _containerd(place: Place) -> list[str]:
    return ["containerd", "--config", str(place.state / "containerd.toml")]


def _apiserver(place: Place) -> list[str]:
    pki = place.pki
    return [
        str(compile.node()), "kube-apiserver", f"--etcd-servers={ETCD}",
        f"--service-cluster-ip-range={place.services}", f"--advertise-address={place.node_address}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/serviceaccounts.pub",
        f"--service-account-signing-key-file={pki}/serviceaccounts.key",
        # Those that are on by default stay on: pod security, quotas, limit ranges, admission policies.
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={pki}/admin.crt", f"--kubelet-client-key={pki}/admin.key",
        f"--kubelet-certificate-authority={pki}/ca.crt", "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
    ]  # fmt: skip


def _controller_manager(place: Place) -> list[str]:
    return [
        str(compile.node()), "kube-controller-manager", f"--kubeconfig={place.pki}/controller-manager.conf",
        f"--service-account-private-key-file={place.pki}/serviceaccounts.key", f"--root-ca-file={place.pki}/ca.crt",
        "--use-service-account-credentials=true", "--leader-elect=false",
        "--kube-api-qps=200", "--kube-api-burst=400", "--concurrent-replicaset-syncs=20",
    ]  # fmt: skip


def _scheduler(place: Place) -> list[str]:
    return [
        str(compile.node()), "kube-scheduler", f"--kubeconfig={place.pki}/scheduler.conf", "--leader-elect=false",
        "--kube-api-qps=200", "--kube-api-burst=400",
    ]  # fmt: skip


def _kubelet(place: Place) -> list[str]:
    return [
        str(compile.node()), "kubelet", f"--kubeconfig={place.pki}/kubelet.conf", f"--config={place.state}/kubelet.json",
        f"--hostname-override={NODE_NAME}", f"--node-ip={place.node_address}", f"--root-dir={place.state}/kubelet",
    ]  # fmt: skip


def _proxy(place: Place) -> list[str]:
    return [
        str(compile.node()), "kube-proxy", f"--config={place.state}/proxy.json", f"--hostname-override={NODE_NAME}",
    ]  # fmt: skip


def _network_policies(place: Place) -> list[str]:
    return _python("enforce", str(place.kubeconfig), place.pods, place.gateway)


def _load_balancer(place: Place) -> list[str]:
    return _python("balance", str(place.kubeconfig), place.load_balancers)


def _python(module: str, *arguments: str) -> list[str]:
    return ["env", f"PYTHONPATH={ROOT.parent}", sys.executable, "-m", f"testcluster.{module}", *arguments]


COMPONENTS: Final[Mapping[str, Callable[[Place], list[str]]]] = {
    "etcd": _etcd,
    "containerd": _containerd,
    "apiserver": _apiserver,
    "controller-manager": _controller_manager,
    "scheduler": _scheduler,
    "kubelet": _kubelet,
    "proxy": _proxy,
    "netpol": _network_policies,
    LOAD_BALANCER: _load_balancer,
}
"""In the order in which they start."""
