"""What Kubernetes says of pods, read: on the way, at the end, and in quotas."""

from typing import Any

import pytest

from kubebox_cluster.quantities import never_fits, quantity
from kubebox_cluster.starting import progress
from kubebox_cluster.verdict import judge

Manifest = dict[str, Any]


def pod(*, containers: list[Manifest] | None = None, **status: Any) -> Manifest:
    return {"metadata": {"name": "a"}, "status": {"containerStatuses": containers or [], **status}}


def waiting(reason: str, message: str = "", restarts: int = 0, name: str = "workspace") -> Manifest:
    return {
        "name": name,
        "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}},
    }


@pytest.mark.parametrize(
    ("message", "permanent"),
    [
        ('failed to pull image "x": manifest unknown', True),
        ("pull access denied, repository does not exist or may require authorization", True),
        ("unexpected status from HEAD request: 403 Forbidden", True),
        ("no match for platform in manifest: not found", True),
        ("toomanyrequests: You have reached your pull rate limit", False),
        ("unexpected status code 503 Service Unavailable", False),
        ('dial tcp: lookup registry.invalid: no such host: image "x" not found', False),
        ("dial tcp 10.0.0.1:443: i/o timeout", False),
    ],
)
def test_an_image_that_is_not_there_is_told_from_a_registry_that_is_not(
    message: str, permanent: bool
) -> None:
    found = progress(pod(containers=[waiting("ErrImagePull", message)]))
    assert (found.cause, found.permanent, message in found.reason) == ("image-unavailable", permanent, True)


def test_a_pod_that_no_node_takes_is_waited_for() -> None:
    said = "0/3 nodes are available: 3 Insufficient memory"
    found = progress(pod(conditions=[{"type": "PodScheduled", "status": "False", "message": said}]))
    assert (found.running, found.permanent, said in found.reason) == (False, False, True)


def test_a_container_that_cannot_start_is_given_up_after_a_second_chance() -> None:
    said = 'exec: "/run/kubebox/init": exec format error'
    assert not progress(pod(containers=[waiting("RunContainerError", said)])).permanent
    assert progress(pod(containers=[waiting("CrashLoopBackOff", said, restarts=2)])).permanent


def test_a_server_that_refuses_its_settings_is_given_up_at_once() -> None:
    server = waiting("CrashLoopBackOff", name="server")
    server["lastState"] = {"terminated": {"reason": "Error", "exitCode": 2}}
    assert progress(pod(containers=[server])).permanent


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory"},
            "evicted",
        ),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "lifetime-over"),
        ({"phase": "Failed", "reason": "NodeShutdown"}, "node-lost"),
        (
            {
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
                ]
            },
            "preempted",
        ),
        (
            {
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
                ]
            },
            "node-drained",
        ),
        (
            {
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
                ]
            },
            "node-lost",
        ),
        ({"phase": "Failed"}, "failed"),
    ],
)
def test_an_end_has_its_cause(status: Manifest, kind: str) -> None:
    found = judge(pod(**status))
    assert found is not None
    assert (found.kind, str(status.get("message", "")) in found.message) == (kind, True)


def test_an_eviction_may_show_in_events_alone() -> None:
    evicted = [{"reason": "Evicted", "message": "Usage of EmptyDir volume exceeds the limit"}]
    found = judge(pod(phase="Running"), evicted, gone=True)
    assert found is not None
    assert found.kind == "evicted"
    deleted = judge(pod(phase="Running"), [], gone=True)
    assert deleted is not None
    assert deleted.kind == "deleted"


def test_what_runs_has_no_verdict() -> None:
    assert judge(pod(phase="Running")) is None


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2Gi", 2 * 1024**3), ("1e3", 1000), ("0.1", 0.1), ("2G", 2e9)]
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)


def test_a_quota_that_is_used_up_is_told_from_one_that_is_too_small() -> None:
    assert never_fits({"limits.memory": "3Gi"}, {"limits.memory": "2Gi"})
    assert not never_fits({"limits.memory": "2Gi"}, {"limits.memory": "2Gi"})
    assert not never_fits({"pods": "1"}, {"limits.memory": "1"})
