"""Looking at a cluster, one thing after the other."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from kubebox.cluster.doctor.findings import Finding, State
from kubebox.cluster.doctor.network import examine_network
from kubebox.cluster.doctor.rights import examine_rights
from kubebox_cluster import names, profile
from kubebox_cluster.api import Api
from kubebox_cluster.errors import ClusterError, Forbidden, NotFound
from kubebox_cluster.kinds import NAMESPACES, NODES, RESOURCE_QUOTAS, RUNTIME_CLASSES, SERVICES
from kubebox_cluster.quantities import quantity
from kubebox_cluster.specification import Specification
from kubebox_cluster.status import entries, section
from kubebox_cluster.totals import totals

OLDEST_MINOR: Final = 29
"""Of Kubernetes 1: the first that starts native sidecars by default."""

USER_NAMESPACES_KERNEL: Final = (6, 3)
"""The first kernel whose tmpfs can be mounted with mapped users, without which Kubernetes gives pods no user namespaces."""

Look = Callable[[Api, str], Awaitable[Finding]]


async def examine(api: Api, namespace: str, image: str) -> AsyncIterator[Finding]:
    """Look at everything.

    Args:
        api: The cluster.
        namespace: Where sandboxes would be made.
        image: The image of their server, with which the network is tried.

    Yields:
        Each finding, as it comes.

    Raises:
        ClusterError: The cluster cannot be asked at all.
    """
    yield await _version(api)
    looks: dict[str, Look] = {
        "rights": examine_rights,
        "pod-security": _pod_security,
        "runtime-classes": _runtime_classes,
        "user-namespaces": _user_namespaces,
        "load-balancer": _load_balancer,
        "quota": _quota,
    }
    for name, look in looks.items():
        yield await _carefully(name, look(api, namespace))
    yield await _carefully("network-policy", examine_network(api, namespace, image))


async def _carefully(name: str, look: Awaitable[Finding]) -> Finding:
    try:
        return await look
    except Forbidden as error:
        return Finding(name, State.UNKNOWN, f"may not be looked at: {error.verb} {error.resource}")
    except ClusterError as error:
        return Finding(name, State.UNKNOWN, f"cannot be looked at: {error}")


async def _version(api: Api) -> Finding:
    said = await api.version()
    version = str(said.get("gitVersion", "?"))
    minor = int("0" + re.sub(r"\D.*", "", str(said.get("minor", ""))))
    if minor >= OLDEST_MINOR:
        return Finding("version", State.GOOD, f"Kubernetes {version}")
    return Finding(
        "version",
        State.BROKEN,
        f"Kubernetes {version}",
        f"sandboxes need 1.{OLDEST_MINOR} for their server's sidecar",
    )


async def _pod_security(api: Api, namespace: str) -> Finding:
    name = "pod-security"
    try:
        labels = section(await api.get(NAMESPACES, namespace), "metadata", "labels")
    except NotFound:
        return Finding(name, State.BROKEN, f"there is no namespace {namespace!r}", "create it first")
    level = labels.get("pod-security.kubernetes.io/enforce")
    root = labels.get(names.ALLOW_ROOT) == names.ALLOWED
    found = f"enforce={level or 'nothing'}" + (", profile root is allowed" if root else "")
    if level == "restricted":
        return Finding(name, State.GOOD, found)
    return Finding(
        name, State.LACKING, found,
        f"sandboxes are `restricted` all the same, but others' pods here need not be: kubectl label namespace {namespace} "
        "pod-security.kubernetes.io/enforce=restricted",
    )  # fmt: skip


async def _runtime_classes(api: Api, _: str) -> Finding:
    found = (await api.list(RUNTIME_CLASSES)).items
    handlers = {one["metadata"]["name"]: str(one.get("handler", "")) for one in found}
    strong = [name for name, handler in handlers.items() if re.search("runsc|gvisor|kata", handler)]
    if strong:
        return Finding("runtime-classes", State.GOOD, f"sandboxing: {', '.join(strong)}")
    there = ", ".join(handlers) or "none"
    return Finding(
        "runtime-classes", State.LACKING, there,
        "the wall is the container's: sandboxes share their node's kernel. gVisor or Kata is a second wall "
        "(create_pod(runtime_class=…))",
    )  # fmt: skip


async def _user_namespaces(api: Api, _: str) -> Finding:
    nodes = [section(node, "status", "nodeInfo") for node in (await api.list(NODES)).items]
    lacking = [node for node in nodes if not _maps_users(node)]
    if nodes and not lacking:
        return Finding("user-namespaces", State.GOOD, f"all {len(nodes)} nodes can")
    why = (
        f"{lacking[0].get('containerRuntimeVersion')}, kernel {lacking[0].get('kernelVersion')}"
        if lacking
        else "no node"
    )
    return Finding(
        "user-namespaces", State.LACKING, why,
        "root in a container is root's number on the node: keep profile root to sandboxing runtime classes",
    )  # fmt: skip


def _maps_users(node: Mapping[str, Any]) -> bool:
    runtime = str(node.get("containerRuntimeVersion", ""))
    kernel = tuple(int(part) for part in re.findall(r"\d+", str(node.get("kernelVersion", "")))[:2])
    major = int("0" + "".join(re.findall(r"//(\d+)", runtime)[:1]))
    return kernel >= USER_NAMESPACES_KERNEL and (
        major >= 2 if runtime.startswith("containerd") else "cri-o" in runtime
    )


async def _load_balancer(api: Api, namespace: str) -> Finding:
    services = (await api.list(SERVICES, namespace)).items
    balanced = [one for one in services if section(one, "spec").get("type") == "LoadBalancer"]
    served = [one for one in balanced if entries(section(one, "status", "loadBalancer"), "ingress")]
    if served:
        return Finding(
            "load-balancer", State.GOOD, f"{len(served)} of {len(balanced)} services have an address"
        )
    return Finding(
        "load-balancer", State.UNKNOWN, "none has shown itself in this namespace",
        'get_external_ip() waits 10 s for one, and then leads through a tunnel; access="tunnel" does at once',
    )  # fmt: skip


async def _quota(api: Api, namespace: str) -> Finding:
    needs = totals(profile.pod(_usual(namespace), {}))
    quotas = (await api.list(RESOURCE_QUOTAS, namespace)).items
    if not quotas:
        return Finding(
            "quota",
            State.LACKING,
            "none",
            "nothing bounds how many sandboxes there may be, nor what they use together",
        )
    room, by = min(_room(quota, needs) for quota in quotas)
    if room >= 1:
        return Finding("quota", State.GOOD, f"room for {room:.0f} more sandboxes of the usual size")
    return Finding(
        "quota", State.BROKEN, f"no room for another sandbox: {by}", "destroy some, or ask for more"
    )


def _room(quota: Mapping[str, Any], needs: Mapping[str, float]) -> tuple[float, str]:
    hard, used = section(quota, "status", "hard"), section(quota, "status", "used")
    rooms = [
        (
            (quantity(str(hard[name])) - quantity(str(used.get(name, "0")))) // needs[name],
            f"{name} in {quota['metadata']['name']}",
        )
        for name in hard
        if needs.get(name)
    ]
    return min(rooms, default=(float("inf"), ""))


def _usual(namespace: str) -> Specification:
    return Specification(
        name="a", namespace=namespace, server_image="a", key_secret=("a", "a"), lifetime=3600.0
    )
