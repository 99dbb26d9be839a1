"""How a sandbox ended: what Kubernetes says of its Pod, joined with what is known otherwise."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubebox_cluster import names
from kubebox_cluster.status import condition, containers, section
from kubebox_protocol.verdicts import Verdict

Manifest = Mapping[str, Any]

_DISRUPTIONS: Final = {
    "PreemptionByScheduler": ("preempted", "a pod of higher priority took its place"),
    "DeletionByTaintManager": ("node-lost", "its node became unusable (tainted)"),
    "EvictionByEvictionAPI": ("node-drained", "it was evicted on request, as when a node is drained"),
    "DeletionByPodGC": ("node-lost", "its node is gone"),
    "TerminationByKubelet": ("evicted", "its node ended it: out of resources, or shutting down"),
}
"""The reasons of the condition `DisruptionTarget`."""

_REASONS: Final = {
    "DeadlineExceeded": ("lifetime-over", "its lifetime was over"),
    "Evicted": ("evicted", "its node evicted it"),
    "Preempting": ("preempted", "its node made room for a critical pod"),
    "NodeShutdown": ("node-lost", "its node was shut down"),
    "Terminated": ("node-lost", "its node was shut down"),
    "NodeLost": ("node-lost", "its node does not answer"),
    "Shutdown": ("node-lost", "its node was shut down"),
}
"""The reasons of a Pod's status."""


def ended(pod: Manifest) -> bool:
    """Whether a pod has ended, or is being ended."""
    return bool(pod["metadata"].get("deletionTimestamp")) or section(pod, "status").get("phase") in (
        "Failed",
        "Succeeded",
    )


def judge(pod: Manifest, events: Iterable[Manifest] = (), *, gone: bool = False) -> Verdict | None:
    """How a sandbox ended; `None` while it lives.

    Args:
        pod: The Pod, as it was seen last.
        events: Events about it: an eviction may show there alone.
        gone: Whether the Pod is no longer there.
    """
    status = section(pod, "status")
    disruption = condition(pod, "DisruptionTarget")
    if disruption.get("status") == "True" and disruption.get("reason") in _DISRUPTIONS:
        kind, words = _DISRUPTIONS[disruption["reason"]]
        return _verdict(kind, words, _detail(status, disruption))
    if status.get("reason") in _REASONS:
        kind, words = _REASONS[status["reason"]]
        return _verdict(kind, words, _detail(status, {}))
    if gone or ended(pod):
        return _from_events(events) or _deleted(pod, status)
    return None


def _from_events(events: Iterable[Manifest]) -> Verdict | None:
    for event in events:
        kind = {"Evicted": "evicted", "Preempted": "preempted", "Preempting": "preempted"}.get(
            str(event.get("reason"))
        )
        if kind is not None:
            return _verdict(kind, f"Kubernetes says: {event['reason']}", str(event.get("message") or ""))
    return None


def _deleted(pod: Manifest, status: Manifest) -> Verdict:
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") != "Failed":
        return Verdict(kind="deleted", message="its pod was deleted, by somebody else than who made it")
    last = containers(pod).get(names.SERVER)
    detail = f"server: {last.ended}, exit code {last.exit_code}" if last and last.ended else ""
    return _verdict("failed", "its pod failed", detail or str(status.get("message") or ""))


def _detail(status: Manifest, disruption: Manifest) -> str:
    return str(status.get("message") or disruption.get("message") or "")


def _verdict(kind: str, words: str, detail: str) -> Verdict:
    return Verdict(kind=kind, message=f"{words}: {detail}" if detail else words)
