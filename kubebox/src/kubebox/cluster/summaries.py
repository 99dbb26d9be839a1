"""The sandboxes of a namespace at a look: nothing is followed, and none of them is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from kubebox.cluster.translate import translated
from kubebox_cluster import names
from kubebox_cluster.api import Api
from kubebox_cluster.kinds import PODS
from kubebox_cluster.starting import progress
from kubebox_cluster.verdict import ended

State = Literal["ready", "starting", "failed", "ended"]


@dataclass(frozen=True, kw_only=True)
class PodSummary:
    """A sandbox, as Kubernetes knows it.

    Attributes:
        name: Its name.
        namespace: Where it lies.
        state: `failed` where waiting cannot help; `ended` until it is removed.
        reason: What it waits for, or why it failed; empty where it is ready.
        created: Unix time, seconds.
        username: Whose it is, where that was said.
        image: That of its workspace.
    """

    name: str
    namespace: str
    state: State
    reason: str
    created: float
    username: str | None
    image: str | None


async def list_pods(api: Api, namespace: str) -> list[PodSummary]:
    """The sandboxes of a namespace, oldest first.

    Raises:
        ClusterError: It cannot be listed, and why.
    """
    with translated(f"list pods in {namespace!r}"):
        found = (await api.list(PODS, namespace, labels=names.selector())).items
    return sorted((_summary(pod) for pod in found), key=lambda one: (one.created, one.name))


def _summary(pod: Mapping[str, Any]) -> PodSummary:
    metadata = pod["metadata"]
    state, reason = _state(pod)
    return PodSummary(
        name=metadata["name"],
        namespace=metadata["namespace"],
        state=state,
        reason=reason,
        created=datetime.fromisoformat(metadata["creationTimestamp"]).timestamp(),
        username=metadata.get("labels", {}).get(names.USER),
        image=_image(pod),
    )


def _state(pod: Mapping[str, Any]) -> tuple[State, str]:
    if ended(pod):
        return "ended", ""
    found = progress(pod)
    if found.running:
        return "ready", ""
    return "failed" if found.permanent else "starting", found.reason


def _image(pod: Mapping[str, Any]) -> str | None:
    for container in pod.get("spec", {}).get("containers", []):
        if container.get("name") == names.WORKSPACE:
            return container.get("image")
    return None
