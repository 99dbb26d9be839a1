"""Sweeping what has expired: records of long ago, pods that have ended, and whatever lost its record."""

from collections.abc import Mapping
from typing import Any, Final

from kubebox.cluster.ending import age, end, tell
from kubebox.cluster.translate import translated
from kubebox_cluster import lease, names
from kubebox_cluster.api import Api
from kubebox_cluster.errors import Conflict, NotFound
from kubebox_cluster.kinds import LEASES, NETWORK_POLICIES, PODS, SERVICES, Kind
from kubebox_cluster.verdict import ended
from kubebox_protocol.verdicts import Verdict

YOUNG_SECONDS: Final = 900.0
"""Seconds in which something may have no record: a service may be made before its pod."""


async def sweep(api: Api, namespace: str) -> list[str]:
    """Sweep one namespace.

    Args:
        api: The cluster.
        namespace: Which.

    Returns:
        What was swept, as `kind/name`.

    Raises:
        KubeboxError: Kubernetes refuses.
    """
    with translated(f"sweep namespace {namespace!r}"):
        leases = (await api.list(LEASES, namespace, labels=names.selector())).items
        records = {one["metadata"]["name"]: lease.read(one) for one in leases}
        swept: list[str] = []
        living: set[str] = set()
        for pod in (await api.list(PODS, namespace, labels=names.selector())).items:
            if not ended(pod):
                living.add(pod["metadata"]["uid"])
            elif not pod["metadata"].get("deletionTimestamp"):
                swept += await _finish(api, pod)
        for record in records.values():
            # Its own lifetime ends a pod; a clock that is wrong shall not.
            if record.expired() and record.body not in living:
                swept += await _drop(api, record)
        for kind in (PODS, SERVICES, NETWORK_POLICIES):  # a sandbox's Secret goes with its Lease
            swept += await _orphans(api, kind, namespace, set(records))
        return swept


async def _finish(api: Api, pod: Mapping[str, Any]) -> list[str]:
    metadata = pod["metadata"]
    verdict = await tell(api, pod, gone=False) or Verdict(kind="unknown", message="it had ended")
    await end(api, metadata["namespace"], metadata["name"], metadata["uid"], verdict)
    return [f"pod/{metadata['name']}"]


async def _drop(api: Api, record: lease.Record) -> list[str]:
    try:
        # Just as it was seen: the record of an ended sandbox may have become that of a new one. What it owns, Kubernetes deletes.
        await api.delete(LEASES, record.name, record.namespace, resource_version=record.version)
    except (NotFound, Conflict):
        return []
    return [f"sandbox/{record.name}"]


async def _orphans(api: Api, kind: Kind, namespace: str, known: set[str]) -> list[str]:
    swept: list[str] = []
    for found in (await api.list(kind, namespace, labels=names.selector())).items:
        metadata = found["metadata"]
        if metadata["labels"][names.SANDBOX] in known or age(metadata) < YOUNG_SECONDS:
            continue
        try:
            await api.delete(kind, metadata["name"], namespace, uid=metadata["uid"])
        except (NotFound, Conflict):
            continue
        swept.append(f"{kind.name.lower()}/{metadata['name']}")
    return swept
