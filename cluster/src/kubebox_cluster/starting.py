"""A pod on its way: what it waits for, and whether waiting can help."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubebox_cluster import names
from kubebox_cluster.status import Container, condition, containers

RESTARTS: Final = 2
"""Restarts of a container after which its start is given up: the first may be an accident, and with each the pause grows."""

_PERMANENT_PULL: Final = re.compile(
    r"not found|manifest unknown|denied|unauthorized|forbidden|no basic auth|does not exist|no match for platform|"
    r"invalid reference|ErrImageNeverPull|repository name must be",
    re.IGNORECASE,
)
_PASSING_PULL: Final = re.compile(
    r"toomanyrequests|too many requests|\b429\b|\b50[0-9]\b|timeout|connection refused|no such host|reset by peer|"
    r"EOF|TLS handshake",
    re.IGNORECASE,
)
"""What registries and runtimes say. What is in both lists passes: a registry that is not there denies nothing."""

_PULLS: Final = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
)
_STARTS: Final = (
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
    "StartError",
    "PostStartHookError",
)


@dataclass(frozen=True)
class Progress:
    """How far a pod has come.

    Attributes:
        running: Whether its server answers and its workspace runs, as far as Kubernetes sees.
        cause: A stable name of what it waits for or what failed; empty where it runs.
        reason: The same as a sentence.
        permanent: Whether waiting cannot help.
    """

    running: bool
    cause: str = ""
    reason: str = ""
    permanent: bool = False


def progress(pod: Mapping[str, Any]) -> Progress:
    """How far a pod has come.

    Args:
        pod: The Pod.
    """
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return Progress(False, "unschedulable", f"no node takes it: {scheduled.get('message', '')}")
    seen = containers(pod)
    if not seen:
        return Progress(False, "pending", "Kubernetes has not placed it yet")
    for container in seen.values():
        found = _trouble(container)
        if found is not None:
            return found
    server, workspace = seen.get(names.SERVER), seen.get(names.WORKSPACE)
    if server is None or not server.ready:
        return Progress(False, "server-starting", "its server is starting")
    if workspace is None or not workspace.running:
        return Progress(False, "workspace-starting", "its workspace is starting")
    return Progress(True)


def _trouble(container: Container) -> Progress | None:
    who = f"container {container.name!r}"
    if container.waiting in _PULLS:
        permanent = container.waiting in ("ErrImageNeverPull", "InvalidImageName") or (
            _PERMANENT_PULL.search(container.message) is not None
            and _PASSING_PULL.search(container.message) is None
        )
        return Progress(
            False, "image-unavailable", f"{who}: its image cannot be had: {container.message}", permanent
        )
    if container.waiting == "CreateContainerConfigError":
        return Progress(
            False,
            "configuration",
            f"{who} cannot be configured: {container.message}",
            "not found" in container.message,
        )
    ended_badly = not container.running and bool(container.ended) and container.exit_code != 0
    if container.waiting in _STARTS or ended_badly:
        how = container.message or container.end_message
        if container.ended:
            how = f"{how} (last end: {container.ended}, exit code {container.exit_code})".strip()
        wrong_settings = (
            container.name == names.SERVER and container.exit_code == 2
        )  # it says so, and stays so
        given_up = wrong_settings or container.restarts >= RESTARTS
        return Progress(False, f"{container.name}-failing", f"{who} does not start: {how}", given_up)
    return None
