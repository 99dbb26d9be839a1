"""A sandbox's record, one Lease: its expiry, what was asked for, and how it ended, for an hour after its pod is gone."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from kubebox_cluster import names
from kubebox_cluster.specification import Specification
from kubebox_cluster.status import section
from kubebox_protocol.verdicts import Verdict

Manifest = dict[str, Any]

KEPT_SECONDS: Final = 3600.0
"""Seconds that a record outlives its sandbox: long enough to be asked why, short enough not to pile up."""

STARTING_SECONDS: Final = 900.0
"""Seconds beyond its lifetime that a sandbox may take to start, before what is left of it is swept."""


@dataclass(frozen=True)
class Record:
    """What a Lease says.

    Attributes:
        name: The sandbox's.
        namespace: Where it lies.
        uid: The Lease's own.
        version: Its resourceVersion.
        digest: Of what was asked for.
        expires: Unix time after which it may be swept.
        verdict: How it ended; `None` while it lives, as far as is recorded.
        body: The uid of its pod, once there is one.
        holder: Whose it is.
        created: When it was made.
        lifetime: Seconds that it was given then.
        metadata: What it is known by, in lists.
    """

    name: str
    namespace: str
    uid: str
    version: str
    digest: str
    expires: float
    verdict: Verdict | None
    body: str | None
    holder: str
    created: datetime
    lifetime: float
    metadata: Mapping[str, str]

    @property
    def owner(self) -> Manifest:
        """A reference for what shall go when the Lease goes."""
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "name": self.name,
            "uid": self.uid,
            "controller": False,
            "blockOwnerDeletion": False,
        }

    def expired(self, now: float | None = None) -> bool:
        """Whether it may be swept."""
        return self.expires <= (time.time() if now is None else now)


def new(specification: Specification, holder: str) -> Manifest:
    """The Lease of a new sandbox.

    Args:
        specification: The sandbox.
        holder: Whose it is: the thumbprint of a public key, or a name.
    """
    now = time.time()
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": specification.name,
            "namespace": specification.namespace,
            "labels": names.labels(specification.name, specification.username),
            "annotations": {
                names.SPECIFICATION: specification.digest(),
                names.EXPIRES: _seconds(now + specification.lifetime + STARTING_SECONDS),
                **_metadata(specification.metadata),
            },
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(specification.lifetime)),
            "acquireTime": _moment(now),
            "renewTime": _moment(now),
        },
    }


def read(manifest: Manifest) -> Record:
    """What a Lease says. One that is not as we write it says little, and expires at once.

    Args:
        manifest: The Lease.
    """
    metadata = manifest["metadata"]
    annotations: dict[str, str] = metadata.get("annotations") or {}
    spec = section(manifest, "spec")
    return Record(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        digest=annotations.get(names.SPECIFICATION, ""),
        expires=_number(annotations.get(names.EXPIRES)),
        verdict=_verdict(annotations.get(names.VERDICT)),
        body=annotations.get(names.BODY),
        holder=str(spec.get("holderIdentity") or ""),
        # A record becomes that of the next sandbox of its name, so its object may be older than that.
        created=datetime.fromisoformat(spec.get("acquireTime") or metadata["creationTimestamp"]),
        lifetime=float(spec.get("leaseDurationSeconds") or 0),
        metadata=_read_metadata(annotations.get(names.METADATA)),
    )


def ending(verdict: Verdict, version: str) -> Manifest:
    """The patch that records an end, in the record as it was read.

    Args:
        verdict: How it ended.
        version: The record's resourceVersion.
    """
    annotations = {
        names.VERDICT: verdict.model_dump_json(exclude_none=True),
        names.EXPIRES: _seconds(time.time() + KEPT_SECONDS),
    }
    return {"metadata": {"annotations": annotations, "resourceVersion": version}}


def renewed(specification: Specification, holder: str, ended: Record) -> Manifest:
    """The patch that makes the record of an ended sandbox that of a new one, unless somebody else has done so before.

    It stays the same object, so that what was made for the new one meanwhile, such as a service, is not collected with it.
    """
    patch = new(specification, holder)
    patch["metadata"]["resourceVersion"] = ended.version
    stale = {names.VERDICT: None, names.BODY: None, names.METADATA: None}
    patch["metadata"]["annotations"] = stale | patch["metadata"]["annotations"]
    return patch


def bodied(uid: str, lifetime: float) -> Manifest:
    """The patch that records which pod the sandbox is; its lifetime begins with that.

    Args:
        uid: The pod's.
        lifetime: Seconds.
    """
    return {"metadata": {"annotations": {names.BODY: uid, **_expires(lifetime)}}}


def touched() -> Manifest:
    """The patch that changes nothing but when somebody was there last."""
    return {"spec": {"renewTime": _moment(time.time())}}


def expiring(seconds: float, version: str) -> Manifest:
    """The patch that gives a living sandbox another end, in the record as it was read.

    Args:
        seconds: Until it ends.
        version: The record's resourceVersion.
    """
    return {"metadata": {"annotations": _expires(seconds), "resourceVersion": version}}


def _expires(seconds: float) -> dict[str, str]:
    return {names.EXPIRES: _seconds(time.time() + seconds + STARTING_SECONDS)}


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {names.METADATA: json.dumps(dict(metadata), ensure_ascii=False)} if metadata else {}


def _read_metadata(text: str | None) -> dict[str, str]:
    try:
        found: object = json.loads(text or "{}")
    except ValueError:
        return {}  # Not as we write it; who may change records may break this one, and no list.
    if not isinstance(found, dict):
        return {}
    return {str(name): str(value) for name, value in cast("dict[object, object]", found).items()}


def _verdict(text: str | None) -> Verdict | None:
    if text is None:
        return None
    try:
        return Verdict.model_validate(json.loads(text))
    except ValueError:
        return Verdict(kind="unknown", message="what was recorded of its end cannot be read")


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return 0.0


def _seconds(moment: float) -> str:
    return f"{moment:.0f}"


def _moment(moment: float) -> str:
    # MicroTime, as Leases have it.
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
