"""Merging a caller's partial Pod into a sandbox's: what schedules and equips it is theirs; what holds the walls is not.

What may be given is listed; everything else is refused, so that a field that Kubernetes gets later opens nothing by itself.
"""

import copy
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from kubebox_cluster import names
from kubebox_cluster.containers import CONTROL

Manifest = dict[str, Any]

FREE: Final = frozenset(
    {
        "affinity",
        "dnsConfig",
        "imagePullSecrets",
        "preemptionPolicy",
        "priorityClassName",
        "resourceClaims",
        "schedulerName",
        "tolerations",
        "topologySpreadConstraints",
    }
)
"""Fields of the spec that a caller may set as they like."""

VOLUMES: Final = frozenset(
    {"configMap", "csi", "emptyDir", "ephemeral", "image", "nfs", "persistentVolumeClaim", "secret"}
)
"""Kinds of volumes that a caller may add. `hostPath` would open the node; `projected` and `downwardAPI` can hold tokens."""


COMMANDING: Final = (
    "cilium.io",
    "cncf.io",
    "containerd.io",
    "cri-o.io",
    "gvisor.dev",
    "istio.io",
    "k8s.io",
    "katacontainers.io",
    "kubernetes.io",
    "linkerd.io",
    "projectcalico.org",
)
"""Domains of annotations that runtimes, networks and meshes obey: AppArmor off, another interface, another kernel."""

HARMLESS: Final = ("cluster-autoscaler.kubernetes.io", "kubectl.kubernetes.io")
"""Those of them that only schedule, or tell."""


class Protected(ValueError):
    """A partial Pod touches what is not its caller's.

    Attributes:
        path: What it touches, such as `spec.hostNetwork`.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"pod: {path} {why}")
        self.path = path


def merged(manifest: Manifest, partial: Mapping[str, Any] | None) -> Manifest:
    """A sandbox's Pod with what its caller adds.

    Args:
        manifest: The Pod; it is changed.
        partial: A partial Pod.

    Raises:
        Protected: It touches the server, init or the profile.
    """
    for field, value in (partial or {}).items():
        if field in ("apiVersion", "kind"):
            continue
        if field == "metadata":
            _metadata(manifest["metadata"], _mapping(value, field))
        elif field == "spec":
            _spec(manifest["spec"], _mapping(value, field))
        else:
            raise Protected(field, "is not a caller's to set; metadata and spec are")
    return manifest


def _metadata(metadata: Manifest, given: Mapping[str, Any]) -> None:
    for field, value in given.items():
        if field not in ("labels", "annotations"):
            raise Protected(f"metadata.{field}", "is Kubebox's; labels and annotations can be added")
        for name, text in _mapping(value, f"metadata.{field}").items():
            if name.startswith(names.PREFIX) or name in metadata[field]:
                raise Protected(f"metadata.{field}.{name}", "is Kubebox's")
            if field == "annotations" and _commands(name):
                raise Protected(f"metadata.{field}.{name}", "can tell a runtime or a network to open the pod")
            metadata[field][name] = text


def _spec(spec: Manifest, given: Mapping[str, Any]) -> None:
    merges: dict[str, Callable[[Manifest, Any], None]] = {
        "nodeSelector": _node_selector,
        "volumes": _volumes,
        "containers": _containers,
    }
    # Volumes first: containers mount them, in whatever order they are written.
    for field, value in sorted(given.items(), key=lambda one: one[0] != "volumes"):
        if field in FREE:
            spec[field] = copy.deepcopy(value)
        elif field in merges:
            merges[field](spec, value)
        else:
            raise Protected(f"spec.{field}", "is part of the profile; it cannot be set")


def _node_selector(spec: Manifest, value: Any) -> None:
    for name, text in _mapping(value, "spec.nodeSelector").items():
        if spec["nodeSelector"].setdefault(name, text) != text:
            raise Protected(f"spec.nodeSelector.{name}", "is Kubebox's")


def _volumes(spec: Manifest, value: Any) -> None:
    taken = {volume["name"] for volume in spec["volumes"]}
    for volume in _list(value, "spec.volumes"):
        name = volume.get("name")
        if name in taken:
            raise Protected(f"spec.volumes[{name}]", "is the name of one of Kubebox's volumes")
        if kinds := set(volume) - {"name"} - VOLUMES:
            raise Protected(f"spec.volumes[{name}]", f"is of a kind that opens the node: {', '.join(kinds)}")
        spec["volumes"].append(copy.deepcopy(dict(volume)))


def _containers(spec: Manifest, value: Any) -> None:
    for container in _list(value, "spec.containers"):
        name = container.get("name")
        if name != names.WORKSPACE:
            raise Protected(
                f"spec.containers[{name}]", f"is not {names.WORKSPACE}, the one that can be added to"
            )
        for field, given in container.items():
            _workspace(spec, field, given)


def _workspace(spec: Manifest, field: str, given: Any) -> None:
    workspace: Manifest = spec["containers"][0]
    where = f"spec.containers[{names.WORKSPACE}].{field}"
    match field:
        case "name":
            pass
        case "resources":
            for kind, amounts in _mapping(given, where).items():
                if kind == "claims":
                    workspace["resources"]["claims"] = copy.deepcopy(amounts)
                elif kind in ("limits", "requests"):
                    workspace["resources"][kind].update(_mapping(amounts, f"{where}.{kind}"))
                else:
                    raise Protected(f"{where}.{kind}", "is neither limits, requests nor claims")
        case "volumeMounts":
            own = [mount["mountPath"] for mount in workspace["volumeMounts"]]
            theirs = {volume["name"] for volume in spec["volumes"]} - _OWN_VOLUMES
            for mount in _list(given, where):
                path = _absolute(str(mount.get("mountPath", "")), where)
                if any(_beneath(one, path) for one in own) or _beneath(path, CONTROL):
                    raise Protected(f"{where}[{path}]", "would cover one of Kubebox's")
                if mount.get("name") not in theirs:
                    raise Protected(f"{where}[{path}]", "mounts a volume that is not among those given")
                workspace["volumeMounts"].append(copy.deepcopy(dict(mount)))
        case "imagePullPolicy" | "workingDir" | "volumeDevices":
            workspace[field] = copy.deepcopy(given)
        case _:
            raise Protected(where, "is part of the profile, or an argument of create_pod()")


def _absolute(path: str, where: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise Protected(f"{where}[{path}]", "is not an absolute path without `..`")
    return posixpath.normpath("/" + path.lstrip("/"))


def _beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _commands(annotation: str) -> bool:
    domain = annotation.partition("/")[0]
    if domain in HARMLESS or "/" not in annotation:
        return False
    return any(domain == one or domain.endswith(f".{one}") for one in COMMANDING)


_OWN_VOLUMES: Final = frozenset({"control", "state", "work", "tmp", "shared", "home", "etc"})


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Protected(where, "is not an object")
    return cast("Mapping[str, Any]", value)


def _list(value: Any, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise Protected(where, "is not a list of objects")
    return [_mapping(one, where) for one in cast("Sequence[Any]", value)]
