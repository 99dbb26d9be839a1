"""Making a sandbox in a cluster: its record first, then what closes its network, then its keys, and the pod last."""

import base64
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kubebox.cluster.ending import clear, lives, remove_pod
from kubebox.cluster.together import together
from kubebox.cluster.translate import translated
from kubebox.errors import ConfigurationError, PodConflict
from kubebox_cluster import lease, names, policies, profile
from kubebox_cluster.api import Api
from kubebox_cluster.errors import AlreadyExists, Conflict, Forbidden, NotFound
from kubebox_cluster.kinds import LEASES, NAMESPACES, NETWORK_POLICIES, PODS, SECRETS, SERVICES, Kind
from kubebox_cluster.lease import Record
from kubebox_cluster.specification import Specification
from kubebox_cluster.status import entries, section

Manifest = dict[str, Any]

KEY_ENTRY: Final = "public-keys.pem"
"""The entry of a sandbox's own Secret."""


@dataclass
class Making:
    """How far the making of a sandbox has come.

    Attributes:
        waits: What it waits for, as a clause.
        record: Its Lease, as soon as that is reserved.
        found: Whether it, or its record, was there before: then a failed start is no reason to end it.
    """

    waits: str = "Kubernetes has not answered yet"
    record: Record | None = None
    found: bool = False


async def reserve(api: Api, specification: Specification, holder: str, making: Making) -> Record:
    """Take a name, or find that it was taken for the same.

    Args:
        api: The cluster.
        specification: The sandbox.
        holder: Whose it is.
        making: Is told whether it was taken before.

    Raises:
        PodConflict: It was taken for something else.
        KubeboxError: Kubernetes refuses.
    """
    with translated(f"create the Lease of sandbox {specification.name!r}"):
        while True:
            with contextlib.suppress(AlreadyExists):
                return lease.read(
                    await api.create(LEASES, lease.new(specification, holder), specification.namespace)
                )
            with contextlib.suppress(NotFound, Conflict):  # It went meanwhile, or somebody else took it.
                manifest = await api.get(LEASES, specification.name, specification.namespace)
                _check_ours(manifest, "Lease")
                found = lease.read(manifest)
                if await lives(api, found):
                    making.found = True
                    return _same(found, specification, holder)
                await clear(api, found)
                patch = lease.renewed(specification, holder, found)
                return lease.read(await api.patch(LEASES, found.name, found.namespace, patch))


async def build(
    api: Api, specification: Specification, making: Making, record: Record, keys: str, closed: Sequence[str]
) -> Manifest:
    """Make everything of a sandbox that is not there yet.

    Args:
        api: The cluster.
        specification: The sandbox.
        making: Is told whether the pod was there.
        record: Its Lease, which owns the rest.
        keys: Who may call, PEM; not used where the specification names a Secret of its own.
        closed: Networks that no sandbox reaches, besides those that none ever does.

    Returns:
        The Pod.

    Raises:
        KubeboxError: Kubernetes refuses.
    """
    namespace = specification.namespace
    with translated(f"create sandbox {specification.name!r} in {namespace!r}"):
        steps = [_close_network(api, namespace), own(api, specification.name, record)]
        opening = policies.egress(specification, record.owner, closed)
        if opening is None:  # Nothing that an earlier sandbox of this name was given may open this one.
            steps.append(_delete(api, NETWORK_POLICIES, names.egress_policy(specification.name), namespace))
        else:
            steps.append(_apply(api, NETWORK_POLICIES, opening, namespace))
        if specification.key_secret[0] == names.keys_secret(specification.name):
            # Applied, not created: so nobody who makes sandboxes needs the right to read secrets.
            steps.append(_apply(api, SECRETS, _keys_secret(specification, record, keys), namespace))
        await together(steps)
        pod, was_there = await _create_pod(api, specification, record)
        making.found |= was_there
        patch = lease.bodied(pod["metadata"]["uid"], specification.lifetime)
        await api.patch(LEASES, record.name, namespace, patch)
        return pod


async def allowance(api: Api, namespace: str) -> Mapping[str, str]:
    """The labels of a namespace, in which its operator allows what is not the default; none where they cannot be read."""
    try:
        found = await api.get(NAMESPACES, namespace)
    except Forbidden:
        return {}
    labels: Mapping[str, str] = found["metadata"].get("labels") or {}
    return labels


def check_profile(specification: Specification, labels: Mapping[str, str]) -> None:
    """Refuse profile `root` where nothing makes up for it.

    Raises:
        ConfigurationError: With what would.
    """
    if specification.profile != "root" or specification.runtime_class is not None:
        return
    if labels.get(names.ALLOW_ROOT) != names.ALLOWED:
        raise ConfigurationError(
            'profile="root" gives the workspace root inside its container, so it needs a stronger wall: a sandboxing '
            "runtime_class (gVisor, Kata), or the operator's word: "
            f"kubectl label namespace {specification.namespace} {names.ALLOW_ROOT}={names.ALLOWED}"
        )


async def _close_network(api: Api, namespace: str) -> None:
    with contextlib.suppress(AlreadyExists):
        await api.create(NETWORK_POLICIES, policies.default_deny(namespace), namespace)


async def _apply(api: Api, kind: Kind, manifest: Manifest, namespace: str) -> None:
    await api.patch(kind, manifest["metadata"]["name"], namespace, manifest, how="apply")


async def _delete(api: Api, kind: Kind, name: str, namespace: str) -> None:
    with contextlib.suppress(NotFound):
        await api.delete(kind, name, namespace)


async def _create_pod(api: Api, specification: Specification, record: Record) -> tuple[Manifest, bool]:
    """The Pod, and whether it was there."""
    wanted = profile.pod(specification, record.owner)
    while True:
        with contextlib.suppress(AlreadyExists):
            return await api.create(PODS, wanted, specification.namespace), False
        with contextlib.suppress(NotFound):
            found = await api.get(PODS, specification.name, specification.namespace)
            _check_ours(found, "pod")
            if owned_by(found, record):
                return found, True
            # That of a record which is gone; Kubernetes is about to delete it, and does so sooner if it is asked.
            await remove_pod(api, specification.namespace, specification.name, found["metadata"]["uid"])


def owned_by(manifest: Mapping[str, Any], record: Record) -> bool:
    """Whether an object goes with a record."""
    owners = entries(section(manifest, "metadata"), "ownerReferences")
    return any(one.get("uid") == record.uid for one in owners)


def _check_ours(manifest: Manifest, what: str) -> None:
    metadata = manifest["metadata"]
    if section(manifest, "metadata", "labels").get(names.SANDBOX) != metadata["name"]:
        raise PodConflict(
            f"there is a {what} {metadata['name']!r} in {metadata['namespace']!r} that is not Kubebox's; take another name"
        )


async def own(api: Api, name: str, record: Record) -> None:
    """Have what leads to a sandbox go with it, whichever of the two came first.

    Args:
        api: The cluster.
        name: The sandbox's.
        record: Its Lease.
    """
    patch = {"metadata": {"ownerReferences": [record.owner]}}
    for kind in (SERVICES, NETWORK_POLICIES):
        for found in (await api.list(kind, record.namespace, labels=names.selector(name))).items:
            with contextlib.suppress(NotFound):
                await api.patch(kind, found["metadata"]["name"], record.namespace, patch)


def _keys_secret(specification: Specification, record: Record, keys: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.keys_secret(specification.name),
            "namespace": specification.namespace,
            "labels": names.labels(specification.name, specification.username),
            "ownerReferences": [record.owner],
        },
        "type": "Opaque",
        "data": {KEY_ENTRY: base64.b64encode(keys.encode()).decode()},
    }


def _same(found: Record, specification: Specification, holder: str) -> Record:
    if found.holder != holder:
        raise PodConflict(
            f"pod {specification.name!r} exists in {specification.namespace!r} and is another's: it was made with another "
            "key. Take another name",
            holder=found.holder,
        )
    if found.digest != specification.digest():
        raise PodConflict(
            f"pod {specification.name!r} exists in {specification.namespace!r} with another specification; "
            "destroy it first, or take another name"
        )
    return found
