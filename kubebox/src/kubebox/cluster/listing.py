"""The sandboxes of one user in a cluster, as their records and their pods tell: all of them, or one by its name."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kubebox._listing import SandboxInfo, SandboxState
from kubebox.cluster.ending import tell
from kubebox.cluster.translate import translated
from kubebox.errors import PodNotReady, SandboxLost, SandboxNotFound
from kubebox_cluster import lease, names
from kubebox_cluster.api import Api
from kubebox_cluster.errors import NotFound
from kubebox_cluster.kinds import LEASES, PODS
from kubebox_cluster.starting import progress
from kubebox_cluster.status import section
from kubebox_cluster.verdict import ended

Manifest = Mapping[str, Any]


async def list_sandboxes(api: Api, namespace: str, holder: str, *, with_ended: bool) -> list[SandboxInfo]:
    """The sandboxes of a user, oldest first.

    Args:
        api: The cluster.
        namespace: Where.
        holder: Whose, as records have it.
        with_ended: Whether those that have ended, and have a record yet, are wanted too.

    Raises:
        KubeboxError: Kubernetes refuses.
    """
    with translated(f"list sandboxes in {namespace!r}"):
        records = [
            lease.read(one) for one in (await api.list(LEASES, namespace, labels=names.selector())).items
        ]
        # After the records: so a pod that a record names, and that is not there, is gone.
        pods = (await api.list(PODS, namespace, labels=names.selector())).items
    bodies = {pod["metadata"]["uid"]: pod for pod in pods}
    found = [describe(record, bodies.get(record.body or "")) for record in records if record.holder == holder]
    return sorted(
        (one for one in found if with_ended or one.state != "ended"), key=lambda one: (one.created, one.id)
    )


async def find(api: Api, namespace: str, name: str, holder: str) -> tuple[SandboxInfo, Manifest]:
    """A user's sandbox by its name, and its Pod. Nothing is made.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: Its name.
        holder: Whose it must be, as records have it.

    Raises:
        SandboxNotFound: There is no such sandbox.
        SandboxLost: It has ended.
        PodNotReady: It is being made just now, and has no pod yet.
        KubeboxError: Kubernetes refuses.
    """
    what = f"sandbox {name!r} in {namespace!r}"
    with translated(f"find {what}"):
        record = await _record(api, namespace, name, holder, what)
        if record.verdict is not None:
            raise SandboxLost(f"{what} has ended: {record.verdict.message}", verdict=record.verdict)
        try:
            pod = await api.get(PODS, name, namespace)
        except NotFound:
            if record.body is None:
                raise PodNotReady(f"{what} is just being made: try again in a moment") from None
            raise SandboxLost(f"{what} has ended: its pod is gone") from None
        if record.body not in (None, pod["metadata"]["uid"]):
            raise SandboxLost(f"{what} has ended: its pod is gone, and another one has its name")
        if ended(pod):
            verdict = await tell(api, pod, gone=False)
            how = f": {verdict.message}" if verdict else ""
            raise SandboxLost(f"{what} has ended{how}", verdict=verdict)
        return describe(record, pod), pod


def describe(record: lease.Record, pod: Manifest | None) -> SandboxInfo:
    """What is said of a sandbox.

    Args:
        record: Its Lease.
        pod: Its Pod, where that is there.
    """
    deadline = None if pod is None else _deadline(pod)
    return SandboxInfo(
        id=record.name,
        state=_state(record, pod),
        metadata=record.metadata,
        created=record.created,
        expires=deadline or record.created + timedelta(seconds=record.lifetime),
        verdict=record.verdict,
    )


def _state(record: lease.Record, pod: Manifest | None) -> SandboxState:
    if record.verdict is not None:
        return "ended"
    if pod is None:
        return "starting" if record.body is None and not record.expired() else "ended"
    if ended(pod):
        return "ended"
    return "running" if progress(pod).running else "starting"


def _deadline(pod: Manifest) -> datetime | None:
    started, seconds = (
        section(pod, "status").get("startTime"),
        section(pod, "spec").get("activeDeadlineSeconds"),
    )
    if started is None or seconds is None:
        return None  # It has no node yet, so its time has not begun.
    return datetime.fromisoformat(started) + timedelta(seconds=seconds)


async def _record(api: Api, namespace: str, name: str, holder: str, what: str) -> lease.Record:
    try:
        manifest = await api.get(LEASES, name, namespace)
    except NotFound:
        raise SandboxNotFound(
            f"there is no {what}, or none any more; Sandbox.list() tells which there are"
        ) from None
    record = lease.read(manifest)
    if section(manifest, "metadata", "labels").get(names.SANDBOX) != name:
        raise SandboxNotFound(f"there is no {what}: what has this name is not Kubebox's")
    if record.holder != holder:
        raise SandboxNotFound(f"{what} is another's: it was made with another key", holder=record.holder)
    return record
