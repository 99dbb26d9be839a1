"""What a pod counts for in a quota."""

from collections.abc import Iterator, Mapping
from typing import Any

from kubebox_cluster.quantities import quantity
from kubebox_cluster.status import entries, section


def totals(pod: Mapping[str, Any]) -> dict[str, float]:
    """What a ResourceQuota counts of a pod, by the quota's names (`requests.cpu`, `limits.memory`, `pods`).

    Sidecars and containers run side by side, so theirs add up; an init container that ends before counts only where it alone
    wants more (a seed wants what its workspace wants, so it never does).

    Args:
        pod: The Pod.
    """
    found: dict[str, float] = {"pods": 1.0}
    for container in _side_by_side(pod):
        for kind in ("requests", "limits"):
            for resource, amount in section(container, "resources", kind).items():
                for name in _names(kind, resource):
                    found[name] = found.get(name, 0.0) + quantity(str(amount))
    return found


def _side_by_side(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    spec = section(pod, "spec")
    yield from entries(spec, "containers")
    yield from (one for one in entries(spec, "initContainers") if one.get("restartPolicy") == "Always")


def _names(kind: str, resource: str) -> list[str]:
    # `cpu` alone means its requests in a quota.
    return [f"{kind}.{resource}", resource] if kind == "requests" else [f"{kind}.{resource}"]
