"""The files that configure the node's programs."""

import json
from typing import Any, Final

from testcluster.errors import CannotRunHere
from testcluster.place import Place
from testcluster.requirements import find_plugins

PAUSE_IMAGE: Final = "localhost/kubebox-test-pause:1"
"""What holds a pod's namespaces."""

OTHER_HANDLER: Final = "other"
"""A second runtime's name, for RuntimeClasses. It is runc as well: the choice can be tested, its walls cannot."""

MOST_PROCESSES: Final = 1024
"""Of a pod: a fork bomb ends there, and not at what the whole node has."""

MOST_PODS: Final = 250
"""As many as there are addresses, nearly."""


def write_configuration(place: Place) -> None:
    """Write the files.

    Args:
        place: The cluster's.

    Raises:
        CannotRunHere: There are no CNI plugins.
    """
    (place.state / "run").mkdir(parents=True, exist_ok=True)
    for folder, name, content in (
        ("cni", "10-bridge.conflist", json.dumps(_pod_network(place))),
        ("", "containerd.toml", _containerd(place)),
        ("", "kubelet.json", json.dumps(_kubelet(place))),
        ("", "proxy.json", json.dumps(_proxy(place))),
        (f"registries/{place.registry}", "hosts.toml", _registry(place)),
    ):
        path = place.state / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _pod_network(place: Place) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "dataDir": str(place.state / "addresses"),
        "ranges": [[{"subnet": place.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
        "ipam": addresses,
    }  # fmt: skip
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "testcluster", "plugins": [bridge, ports]}


def _containerd(place: Place) -> str:
    plugins = find_plugins()
    if plugins is None:
        raise CannotRunHere(["the CNI plugins are not installed"])
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{place.containerd}"
state = "{place.state}/run/containerd"
[grpc]
  address = "{place.containerd_socket}"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  netns_mounts_under_state_dir = true
  # Many virtual machines run without CAP_SYS_RESOURCE, where lowering oom_score_adj is refused.
  restrict_oom_score_adj = true
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [{cri}.containerd.runtimes.{OTHER_HANDLER}]
    runtime_type = "io.containerd.runc.v2"
  [{cri}.registry]
    config_path = "{place.state}/registries"
  [{cri}.cni]
    bin_dir = "{plugins}"
    conf_dir = "{place.state}/cni"
"""


def _registry(place: Place) -> str:
    return f"""\
server = "http://{place.registry}"
[host."http://{place.registry}"]
  capabilities = ["pull", "resolve"]
"""


def _kubelet(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(place.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(place.pki / "kubelet.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{place.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{place.containerd_socket}",
        "volumePluginDir": str(place.state / "volume-plugins"),
        "clusterDNS": [place.service_address("0.10")],
        "clusterDomain": "cluster.local",
        "maxPods": MOST_PODS,
        "podPidsLimit": MOST_PROCESSES,
        "serializeImagePulls": False,
        # 0: as many as they come.
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1Gi"},
        # 100 turns it off: an image that is removed cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
    }


def _proxy(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(place.pki / "proxy.conf")},
        "clusterCIDR": place.pods,
        # The table of connections is the machine's, and its size is not ours to set.
        "conntrack": {"maxPerCore": 0},
        "iptables": {"minSyncPeriod": "100ms"},
    }
