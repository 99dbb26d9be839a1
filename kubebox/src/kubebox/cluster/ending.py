"""Ending a sandbox in a cluster: its end is recorded first, then everything of it is deleted but the record."""

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kubebox.cluster.together import together
from kubebox.cluster.translate import translated
from kubebox_cluster import lease, names
from kubebox_cluster.api import Api
from kubebox_cluster.errors import ClusterError, Conflict, NotFound
from kubebox_cluster.kinds import EVENTS, LEASES, NETWORK_POLICIES, PODS, SECRETS, SERVICES, Kind
from kubebox_cluster.verdict import ended, judge
from kubebox_cluster.watch import follow
from kubebox_protocol.verdicts import Verdict

YOUNG_SECONDS: Final = 60.0
"""Seconds in which a service or a policy was made for the sandbox that is just being made."""

LOG_LINES: Final = 2000
LOG_BYTES: Final = 256 * 1024
"""Of the server's words that are kept when its pod goes; as many as a local sandbox keeps."""


async def end(api: Api, namespace: str, name: str, uid: str | None, verdict: Verdict) -> Verdict:
    """End a sandbox. What is gone already is no error.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: Its name.
        uid: Its pod's; what has the name by now, and another pod, is left alone. `None` where it has none yet.
        verdict: How it ends, unless somebody has recorded that before.

    Returns:
        How it ended, as it is recorded.

    Raises:
        KubeboxError: Kubernetes refuses.
    """
    with translated(f"end sandbox {name!r} in {namespace!r}"):
        recorded = await _record(api, namespace, name, uid, verdict)
        steps = [] if uid is None else [_delete(api, PODS, namespace, name, uid)]
        if recorded is not None:
            steps += [_delete_all(api, kind, namespace, name) for kind in (SERVICES, NETWORK_POLICIES)]
            steps.append(_delete(api, SECRETS, namespace, names.keys_secret(name), None))
        await together(steps)
        return recorded or verdict


async def lives(api: Api, record: lease.Record) -> bool:
    """Whether a recorded sandbox lives, as far as anybody can see."""
    if record.verdict is not None:
        return False
    if record.body is None:
        return not record.expired()
    try:
        pod = await api.get(PODS, record.name, record.namespace)
    except NotFound:
        return False
    return pod["metadata"]["uid"] == record.body and not ended(pod)


async def clear(api: Api, record: lease.Record) -> None:
    """Remove what is left of a sandbox that has ended, but its record, and wait until its pod is gone.

    What is young was made for the next sandbox of its name, and stays.
    """
    await remove_pod(api, record.namespace, record.name, record.body)
    for kind in (SERVICES, NETWORK_POLICIES):
        await _delete_all(api, kind, record.namespace, record.name, older_than=YOUNG_SECONDS)


async def _record(api: Api, namespace: str, name: str, uid: str | None, verdict: Verdict) -> Verdict | None:
    """Record an end, and tell what is recorded; nothing where the record is that of another pod, or gone."""
    while True:
        try:
            record = lease.read(await api.get(LEASES, name, namespace))
            if uid is not None and record.body is not None and record.body != uid:
                return None
            if record.verdict is None:
                await api.patch(LEASES, name, namespace, lease.ending(verdict, record.version))
            return record.verdict or verdict
        except NotFound:
            return verdict  # Nobody can have taken the name, since there is no record of that.
        except Conflict:
            continue  # It has changed; look again.


async def remove_pod(api: Api, namespace: str, name: str, uid: str | None) -> None:
    """Delete what is left of an ended sandbox's pod, and wait until it is gone.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: Its name.
        uid: Its uid; `None` where it never had one.
    """
    if uid is None:
        return
    await _delete(api, PODS, namespace, name, uid)
    try:
        pod = await api.get(PODS, name, namespace)
    except NotFound:
        return
    # Known, since it may go before anybody follows it.
    following = follow(api, PODS, namespace, fields=f"metadata.name={name}", known=[pod])
    there = pod["metadata"]["uid"] == uid
    async with contextlib.aclosing(following) as changes:
        while there:
            change = await anext(changes)
            there = change.type != "gone" and change.object["metadata"]["uid"] == uid


async def tell(api: Api, pod: Any, *, gone: bool) -> Verdict | None:
    """How a sandbox ended; `None` while it lives.

    Args:
        api: The cluster.
        pod: Its pod, as it was seen last.
        gone: Whether that is no longer there.
    """
    verdict = judge(pod, gone=gone)
    if verdict is None or verdict.kind not in ("deleted", "failed"):
        return verdict
    metadata = pod["metadata"]
    try:
        fields = f"involvedObject.uid={metadata['uid']}"
        events = (await api.list(EVENTS, metadata["namespace"], fields=fields)).items
    except ClusterError:  # Without events less is known, and nothing is wrong.
        events = []
    return judge(pod, events, gone=gone)


async def last_words(api: Api, namespace: str, name: str) -> str:
    """The newest of what a sandbox's server said; nothing where that cannot be had any more."""
    try:
        return await api.logs(namespace, name, names.SERVER, tail_lines=LOG_LINES, limit_bytes=LOG_BYTES)
    except ClusterError:  # It may not have started, or be gone, or its log may not be for us.
        return ""


async def _delete_all(api: Api, kind: Kind, namespace: str, name: str, *, older_than: float = 0.0) -> None:
    for found in (await api.list(kind, namespace, labels=names.selector(name))).items:
        if age(found["metadata"]) >= older_than:
            await _delete(api, kind, namespace, found["metadata"]["name"], found["metadata"]["uid"])


def age(metadata: Mapping[str, Any]) -> float:
    """Seconds since an object was made, by the two clocks."""
    return time.time() - datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()


async def _delete(api: Api, kind: Kind, namespace: str, name: str, uid: str | None) -> None:
    with contextlib.suppress(NotFound, Conflict):  # Gone, or another one by now.
        await api.delete(kind, name, namespace, uid=uid)
