"""Bringing a sandbox's end nearer. Its pod's own deadline holds it, so that it ends though nobody is there to end it."""

import contextlib
import math
import time
from datetime import datetime
from typing import Any

from kubebox.cluster.translate import translated
from kubebox.errors import NotSupported, SandboxLost
from kubebox_cluster import lease
from kubebox_cluster.api import Api
from kubebox_cluster.errors import Conflict, NotFound
from kubebox_cluster.kinds import LEASES, PODS
from kubebox_cluster.status import entries, section
from kubebox_cluster.verdict import ended

Manifest = dict[str, Any]


async def set_timeout(api: Api, namespace: str, name: str, uid: str, seconds: float) -> None:
    """Have a sandbox end so long from now.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: Its name.
        uid: Its pod's.
        seconds: Until then.

    Raises:
        NotSupported: That would be later than before.
        SandboxLost: It has ended.
        KubeboxError: Kubernetes refuses.
    """
    what = f"sandbox {name!r} in {namespace!r}"
    with translated(f"change the lifetime of {what}"):
        while True:
            try:
                record = await api.patch(LEASES, name, namespace, lease.touched())
                pod = await api.get(PODS, name, namespace)
                if pod["metadata"]["uid"] != uid or ended(pod):
                    raise SandboxLost(f"{what} has ended")
                await _bring_nearer(api, pod, _time_of(record), seconds, what)
                break
            except NotFound:
                raise SandboxLost(f"{what} has ended") from None
            except Conflict:
                continue  # It has changed; look again.
        with contextlib.suppress(NotFound, Conflict):  # Swept a little later is no harm.
            version = record["metadata"]["resourceVersion"]
            await api.patch(LEASES, name, namespace, lease.expiring(seconds, version))


async def _bring_nearer(api: Api, pod: Manifest, now: float, seconds: float, what: str) -> None:
    metadata, before = pod["metadata"], section(pod, "spec").get("activeDeadlineSeconds")
    started = section(pod, "status").get("startTime") or metadata["creationTimestamp"]
    lived = max(0.0, now - datetime.fromisoformat(started).timestamp())
    deadline = math.ceil(lived + seconds)
    if before is not None and deadline > before:
        most = max(0, math.floor(before - lived))
        raise NotSupported(
            f"{what} has {most} s to live, and cannot be given {seconds:g}: Kubernetes lets a pod's deadline be brought "
            "nearer, never put off. Create it with a longer lifetime",
            option="set_timeout",
            most=most,
        )
    patch = {
        "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "spec": {"activeDeadlineSeconds": max(1, deadline)},
    }
    await api.patch(PODS, metadata["name"], metadata["namespace"], patch)


def _time_of(changed: Manifest) -> float:
    """When a change was made, by the API server's clock, which Kubernetes notes; this machine's may be wrong."""
    noted = [one["time"] for one in entries(section(changed, "metadata"), "managedFields") if "time" in one]
    return max((datetime.fromisoformat(moment).timestamp() for moment in noted), default=time.time())
