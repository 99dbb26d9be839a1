"""The pod of a sandbox: what holds its walls, line by line.

Each line has a test that fails when it is removed. The server is a native sidecar: it starts first, ends last, and outlives
the workspace, so that it can say what became of it.
"""

from typing import Any, Final

from kubebox_cluster import names
from kubebox_cluster.containers import STATE_BYTES, WORKSPACE_UID, seed, server, workspace
from kubebox_cluster.merge import merged
from kubebox_cluster.specification import MEBIBYTE, Specification

Manifest = dict[str, Any]

GRACE_SECONDS: Final = 5
"""Seconds from TERM to KILL. Nothing needs more: what runs is ended, and what was said lies on the server's disk."""

TEMPORARY_BYTES: Final = 256 * MEBIBYTE
SHARED_BYTES: Final = 64 * MEBIBYTE
CONTROL_BYTES: Final = 16 * MEBIBYTE
"""Of the volumes in memory, which count as the workspace's: init is 3 MiB."""

PUBLIC_RESOLVER: Final = "1.1.1.1"
"""Who resolves names where public addresses alone are reached: the cluster's own resolver is none of them."""


def pod(specification: Specification, owner: Manifest) -> Manifest:
    """The Pod of a sandbox.

    Args:
        specification: What it shall be.
        owner: An owner reference: what it goes with.

    Raises:
        Protected: The partial Pod touches what the walls stand on.
    """
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": specification.name,
            "namespace": specification.namespace,
            "labels": names.labels(specification.name, specification.username),
            "annotations": {
                names.ROOTS: ",".join(specification.roots),
                names.NETWORK: _words(specification),
            },
            "ownerReferences": [owner],
        },
        "spec": _spec(specification),
    }
    return merged(manifest, specification.pod)


def _spec(specification: Specification) -> Manifest:
    root = specification.profile == "root"
    security: Manifest = {"fsGroup": WORKSPACE_UID, "seccompProfile": {"type": "RuntimeDefault"}}
    if not root:
        security["runAsNonRoot"] = True
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "serviceAccountName": names.SERVICE_ACCOUNT,
        "enableServiceLinks": False,
        # The workspace may restart, and says so. With Never the server would end with it.
        "restartPolicy": "Always",
        "activeDeadlineSeconds": max(1, round(specification.lifetime)),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": [_resolver(specification)]},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": security,
        "initContainers": [server(specification)],
        "containers": [workspace(specification)],
        "volumes": _volumes(specification),
    }
    if specification.image is not None:
        spec["initContainers"].append(seed(specification))
    if specification.runtime_class is not None:
        spec["runtimeClassName"] = specification.runtime_class
    return spec


def _volumes(specification: Specification) -> list[Manifest]:
    def memory(name: str, size: int) -> Manifest:
        return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}

    def disk(name: str, size: int) -> Manifest:
        # Over it comes an eviction, seconds later, and not ENOSPC.
        return {"name": name, "emptyDir": {"sizeLimit": str(size)}}

    volumes = [
        memory("control", CONTROL_BYTES),
        disk("state", STATE_BYTES),
        disk("work", specification.amounts.disk),
        memory("tmp", TEMPORARY_BYTES),
        memory("shared", SHARED_BYTES),
    ]
    if specification.profile == "restricted":
        volumes.append(disk("home", specification.amounts.disk))
    if specification.image is not None:
        volumes.append(memory("etc", MEBIBYTE))
    return volumes


def _resolver(specification: Specification) -> str:
    # Without a network names had better fail at once; nobody listens there.
    return "127.0.0.1" if specification.network == "none" else PUBLIC_RESOLVER


def _words(specification: Specification) -> str:
    network = specification.network
    return network if isinstance(network, str) else ",".join(network)
