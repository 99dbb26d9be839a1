"""Reading a Pod's status: its containers and conditions, without trusting that anything is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

Manifest = Mapping[str, Any]


def section(manifest: Manifest, *path: str) -> Manifest:
    """An object within an object; empty where there is none."""
    for name in path:
        found = manifest.get(name)
        manifest = cast("Manifest", found) if isinstance(found, Mapping) else {}
    return manifest


def entries(manifest: Manifest, name: str) -> Sequence[Manifest]:
    """A list of objects within an object; empty where there is none."""
    return cast("Sequence[Manifest]", manifest.get(name) or ())


@dataclass(frozen=True)
class Container:
    """One container's state.

    Attributes:
        name: Its name.
        running: Whether it runs.
        ready: Whether its readiness is seen.
        restarts: How often it was started again.
        waiting: Why it does not run, as Kubernetes names it (`ImagePullBackOff`); empty where it is not waiting.
        message: What Kubernetes says of that.
        ended: How it ended last, as Kubernetes names it (`OOMKilled`, `Error`); empty where it has not.
        exit_code: The exit code of that end.
        end_message: What it said of that end.
    """

    name: str
    running: bool
    ready: bool
    restarts: int
    waiting: str
    message: str
    ended: str
    exit_code: int | None
    end_message: str


def containers(pod: Manifest) -> dict[str, Container]:
    """All containers of a pod that Kubernetes tells of, by name.

    Args:
        pod: The Pod.
    """
    status = section(pod, "status")
    seen = [*entries(status, "initContainerStatuses"), *entries(status, "containerStatuses")]
    return {entry["name"]: _container(entry) for entry in seen}


def condition(pod: Manifest, kind: str) -> Manifest:
    """A condition of a pod; empty where there is none of that kind."""
    conditions = entries(section(pod, "status"), "conditions")
    nothing: Manifest = {}
    return next((one for one in conditions if one.get("type") == kind), nothing)


def _container(entry: Manifest) -> Container:
    waiting = section(entry, "state", "waiting")
    ended = section(entry, "state", "terminated") or section(entry, "lastState", "terminated")
    return Container(
        name=entry["name"],
        running=bool(section(entry, "state").get("running") is not None),
        ready=bool(entry.get("ready")),
        restarts=int(entry.get("restartCount") or 0),
        waiting=str(waiting.get("reason") or ""),
        message=str(waiting.get("message") or ""),
        ended=str(ended.get("reason") or ""),
        exit_code=ended.get("exitCode"),
        end_message=str(ended.get("message") or ""),
    )
