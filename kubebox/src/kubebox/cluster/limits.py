"""What holds the resources of a sandbox in a cluster, as `pod.limits` tells it."""

from collections.abc import Mapping
from typing import Any, Final

from kubebox._backend import Limit
from kubebox_cluster import names
from kubebox_cluster.quantities import quantity
from kubebox_cluster.status import entries, section

_HELD: Final = {
    "cpu": ("cpu", "Kubernetes (cgroup)", "throttled beyond it"),
    "memory": (
        "memory",
        "Kubernetes (cgroup)",
        "beyond it the kernel ends a command, or the workspace, which then restarts",
    ),
    "ephemeral-storage": (
        "disk",
        "Kubernetes (eviction)",
        "beyond it the pod is evicted, some seconds later",
    ),
}
"""For each resource of Kubernetes its name here, what holds it, and what that means."""


def limits_of(pod: Mapping[str, Any]) -> dict[str, Limit]:
    """The limits of a sandbox's workspace.

    Args:
        pod: Its Pod.
    """
    given: Mapping[str, str] = {}
    for container in entries(section(pod, "spec"), "containers"):
        if container.get("name") == names.WORKSPACE:
            given = section(container, "resources", "limits")
    found: dict[str, Limit] = {}
    for resource, (name, by, note) in _HELD.items():
        there = resource in given
        found[name] = {
            "value": quantity(given[resource]) if there else None,
            "enforced_by": by if there else "none",
            "note": note,
        }
    found["processes"] = {
        "value": None,
        "enforced_by": "Kubernetes (node)",
        "note": "the node's podPidsLimit holds for the whole pod",
    }
    return found
