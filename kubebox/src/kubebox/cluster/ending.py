"""Ending a sandbox in a cluster: its end is recorded first, then everything of it is deleted but the record."""

import contextlib
from typing import Any, Final

from kubebox.cluster.together import together
from kubebox.cluster.translate import translated
from kubebox_cluster import lease, names
from kubebox_cluster.api import Api
from kubebox_cluster.errors import ClusterError, Conflict, NotFound
from kubebox_cluster.kinds import EVENTS, LEASES, NETWORK_POLICIES, PODS, SECRETS, SERVICES, Kind
from kubebox_cluster.verdict import judge
from kubebox_cluster.watch import follow
from kubebox_protocol.verdicts import Verdict

LOG_LINES: Final = 2000
LOG_BYTES: Final = 256 * 1024
"""Of the server's words that are kept when its pod goes; as many as a local sandbox keeps."""


async def end(api: Api, namespace: str, name: str, uid: str | None, verdict: Verdict) -> None:
    """End a sandbox. What is gone already is no error.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: Its name.
        uid: Its pod's; a pod of the name with another one is left alone. `None` where it has none yet.
        verdict: How it ends.

    Raises:
        KubeboxError: Kubernetes refuses.
    """
    with translated(f"end sandbox {name!r} in {namespace!r}"):
        with contextlib.suppress(NotFound):
            await api.patch(LEASES, name, namespace, lease.ending(verdict))
        steps = [_delete_all(api, kind, namespace, name) for kind in (SERVICES, NETWORK_POLICIES)]
        steps.append(_delete(api, SECRETS, namespace, names.keys_secret(name), None))
        if uid is not None:
            steps.append(_delete(api, PODS, namespace, name, uid))
        await together(steps)


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
    there: set[str] = set()
    with contextlib.suppress(NotFound):
        there.add((await api.get(PODS, name, namespace))["metadata"]["uid"])
    if uid not in there:
        return
    async with contextlib.aclosing(follow(api, PODS, namespace, fields=f"metadata.name={name}")) as changes:
        async for change in changes:
            if change.type == "gone" or change.object["metadata"]["uid"] != uid:
                return


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


async def _delete_all(api: Api, kind: Kind, namespace: str, name: str) -> None:
    for found in (await api.list(kind, namespace, labels=names.selector(name))).items:
        await _delete(api, kind, namespace, found["metadata"]["name"], found["metadata"]["uid"])


async def _delete(api: Api, kind: Kind, namespace: str, name: str, uid: str | None) -> None:
    with contextlib.suppress(NotFound, Conflict):  # Gone, or another one by now.
        await api.delete(kind, name, namespace, uid=uid)
