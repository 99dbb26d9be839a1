"""What is asked of an API server, in plain objects: as JSON has them, and as a user's partial pod is merged into.

Why a layer of our own on aiohttp, and not lightkube: lightkube 1.0.1 knows no exec plugins of version v1, writes client keys
into temporary files, has neither preconditions on deletions nor port-forwarding, and its typed models would have to be
turned back into the plain objects that a user's partial pod is merged into. aiohttp has requests, watches and the
WebSockets of tunnels, all with one TLS context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

from kubebox_cluster.errors import Gone
from kubebox_cluster.kinds import PODS, SELF_SUBJECT_ACCESS_REVIEWS, Kind
from kubebox_cluster.requests import Manifest, Requests
from kubebox_cluster.target import Target

How: TypeAlias = Literal["merge", "json", "apply", "strategic"]
"""What a patch is: a part to merge; a list of operations; what the manager wants of the object; a part to merge by names."""

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]

PATCH_TYPES: Final[Mapping[How, str]] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
    "strategic": "application/strategic-merge-patch+json",
}

MANAGER: Final = "kubebox"
"""Who Kubernetes writes down as the one that set a field."""

PAGE_ITEMS: Final = 250
"""Objects of one page of a list. Pods have 10 KiB, and reading a page stops the event loop for some 20 ms."""

MAX_RESTARTS: Final = 3
"""How often a list is begun again whose pages the API server forgot meanwhile; then it is asked for whole."""

MAX_LOG_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a container's log, unless the caller asks for less."""


@dataclass(frozen=True)
class Listing:
    """A list.

    Attributes:
        items: The objects, each with its `apiVersion` and `kind`.
        resource_version: The moment that it shows, from which a watch can go on.
    """

    items: list[Manifest]
    resource_version: str


class Api:
    """An API server. It belongs to the event loop that uses it first.

    All methods raise `ApiUnreachable` when there is no answer, `ApiRefused` (one of its subclasses, mostly) when the answer is
    no, `ConfigInvalid` when there are no credentials, and `NameInvalid` for names that cannot be.

    Questions are asked again after lost connections, 429 and 5xx, for some seconds. Changes only where the first try cannot
    have done anything; otherwise `ApiUnreachable.sent` says that nobody knows.

    Args:
        target: Which one, and as whom.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.requests = Requests(target)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections, those of watches and tunnels too."""
        await self.requests.close()

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest:
        """One object."""
        return await self.requests.read(kind.path(namespace, _required(name)))

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All objects of a kind.

        Args:
            kind: Which.
            namespace: Where; `None` for everywhere.
            labels: A label selector.
            fields: A field selector.
        """
        path, query = kind.path(namespace), selectors(labels, fields)
        for _ in range(MAX_RESTARTS):
            try:
                return await self._list(kind, path, {**query, "limit": str(PAGE_ITEMS)})
            except Gone:
                continue
        return await self._list(kind, path, query)

    async def create(
        self, kind: Kind, manifest: Mapping[str, Any], namespace: str | None = None, *, dry_run: bool = False
    ) -> Manifest:
        """Make an object; fields that there are not are refused.

        Returns:
            The object as it is by then.
        """
        body = {"apiVersion": kind.api_version, "kind": kind.name, **manifest}
        return await self.requests.write("POST", kind.path(namespace), body, query=_changing(dry_run))

    async def replace(
        self,
        kind: Kind,
        name: str,
        manifest: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Put an object in the place of another; with a `resourceVersion`, only of that one."""
        body = {"apiVersion": kind.api_version, "kind": kind.name, **manifest}
        path = kind.path(namespace, _required(name), subresource)
        return await self.requests.write("PUT", path, body, query=_changing(dry_run))

    async def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        how: How = "merge",
        subresource: str | None = None,
        dry_run: bool = False,
        force: bool = True,
    ) -> Manifest:
        """Change an object; with a `resourceVersion` in it, only that one.

        Applying makes the object where there is none, and takes fields away from other managers, unless `force` is false:
        then theirs are a `Conflict`.
        """
        query = _changing(dry_run)
        if how == "apply" and force:
            query["force"] = "true"
        path = kind.path(namespace, _required(name), subresource or "")
        return await self.requests.write("PATCH", path, patch, query=query, content_type=PATCH_TYPES[how])

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> Manifest:
        """Delete an object, or begin to.

        Args:
            kind: Its kind.
            name: Its name.
            namespace: Its namespace.
            uid: Only the object with this one; `Conflict` for another.
            resource_version: Only in this version; `Conflict` for another.
            grace_seconds: Instead of its own.
            propagation: What happens to what it owns.
        """
        conditions = {"uid": uid, "resourceVersion": resource_version}
        options: Manifest = {
            "preconditions": _given(conditions) or None,
            "gracePeriodSeconds": grace_seconds,
            "propagationPolicy": propagation,
        }
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **_given(options)}
        return await self.requests.write("DELETE", kind.path(namespace, _required(name)), body, query={})

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        tail_lines: int | None = None,
        limit_bytes: int | None = None,
        previous: bool = False,
    ) -> str:
        """What a container has printed, from the first of the lines that are wanted on.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            container: The container's name.
            tail_lines: Only the last lines.
            limit_bytes: Only so many bytes of these; 16 MiB by default.
            previous: Of the container that ran before this one.
        """
        query = {"container": container, "limitBytes": str(limit_bytes or MAX_LOG_BYTES)}
        if tail_lines is not None:
            query["tailLines"] = str(tail_lines)
        if previous:
            query["previous"] = "true"
        body = await self.requests.content(PODS.path(namespace, _required(pod), "log"), query)
        return body.decode("utf-8", "replace")

    async def version(self) -> Manifest:
        """The API server's version: `major`, `minor`, `gitVersion`."""
        return await self.requests.read("/version")

    async def may(
        self, verb: str, kind: Kind, namespace: str | None = None, *, subresource: str = "", name: str = ""
    ) -> bool:
        """Whether the user has a right.

        Args:
            verb: Such as `create`.
            kind: On what.
            namespace: Where; `None` for everywhere.
            subresource: On what part, such as `portforward`.
            name: On this one alone.
        """
        attributes = {
            "verb": verb, "group": kind.group, "resource": kind.plural,
            "subresource": subresource, "namespace": namespace or "", "name": name,
        }  # fmt: skip
        body = {
            "apiVersion": SELF_SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": SELF_SUBJECT_ACCESS_REVIEWS.name,
            "spec": {"resourceAttributes": attributes},
        }
        # It is a question, although it looks like a change.
        path = SELF_SUBJECT_ACCESS_REVIEWS.path(None)
        said = await self.requests.write("POST", path, body, query={}, repeatable=True)
        return said.get("status", {}).get("allowed") is True

    async def _list(self, kind: Kind, path: str, query: Mapping[str, str]) -> Listing:
        items: list[Manifest] = []
        page = await self.requests.read(path, query)
        while True:
            items += [
                {"apiVersion": kind.api_version, "kind": kind.name, **item}
                for item in page.get("items") or ()
            ]
            metadata = page.get("metadata", {})
            following = metadata.get("continue")
            if not following:
                return Listing(items, str(metadata.get("resourceVersion", "")))
            page = await self.requests.read(path, {**query, "continue": following})


def selectors(labels: str, fields: str) -> dict[str, str]:
    """The query for what matches."""
    return _given({"labelSelector": labels or None, "fieldSelector": fields or None})


def _changing(dry_run: bool) -> dict[str, str]:
    query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
    return {**query, "dryRun": "All"} if dry_run else query


def _required(name: str) -> str:
    return name or "."  # an empty one would mean all of them, and this one is refused


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
