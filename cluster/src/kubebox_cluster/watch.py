"""Following objects: what is there, then each change, for as long as somebody listens."""

import json
import random
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, cast

from kubebox_cluster.api import Api, Listing, selectors
from kubebox_cluster.errors import ApiUnreachable, ClusterError, Gone, ServerFailing
from kubebox_cluster.kinds import Kind
from kubebox_cluster.patience import Backoff, is_passing
from kubebox_cluster.refusals import read_status
from kubebox_cluster.requests import Manifest

WATCH_SECONDS: Final = 40
"""Seconds after which the API server is asked to end a watch, which then goes on where it was: one that says nothing is
noticed so late. Each takes up to a fifth less, so that not all are made anew at once."""

SLACK_SECONDS: Final = 10
"""Seconds that the end may be late."""

DOUBT_SECONDS: Final = 20.0
"""Seconds until a refusal is believed where there was none before: an API server that has just started refuses what it allows
a moment later, when it has read who may do what."""

TOO_LARGE: Final = "Too large resource version"
"""What an API server says of a moment that it has not seen yet, or never will: that of an etcd before it was restored."""


@dataclass(frozen=True)
class Change:
    """What became of an object.

    Attributes:
        type: It is `there`, and was not before, as far as was known; it has `changed`; it is `gone`, or is no longer one of
            those that are followed.
        object: As it is; as it was last known where it is gone.
    """

    type: Literal["there", "changed", "gone"]
    object: Manifest


async def follow(
    api: Api,
    kind: Kind,
    namespace: str | None = None,
    *,
    labels: str = "",
    fields: str = "",
    known: Sequence[Manifest] = (),
) -> AsyncGenerator[Change]:
    """Tell what is there, and then each change, for ever.

    What is missed while there is no connection is told afterwards: the last state of what has changed, and what is gone. An
    object that came and went meanwhile is never told. Close it when you stop (`contextlib.aclosing`).

    A namespace that does not exist has no objects, and is no error: Kubernetes says no more.

    Args:
        api: Where.
        kind: Which objects.
        namespace: In which; `None` for all.
        labels: A label selector.
        fields: A field selector, such as `metadata.name=NAME` for one object alone.
        known: Objects that are known already: what of them is no longer there is told as gone, and what is unchanged not at all.

    Raises:
        ClusterError: The first list failed; or later, what waiting does not mend: the right was taken away, the credentials
            have expired.
    """
    seen = _Seen(known)
    path, query = kind.path(namespace), selectors(labels, fields)
    for change in seen.listed(await api.list(kind, namespace, labels=labels, fields=fields)):
        yield change
    pauses = _Pauses()
    while True:
        seconds = round(WATCH_SECONDS * random.uniform(0.8, 1))  # noqa: S311  # nobody gains by guessing it
        try:
            if not seen.version:
                for change in seen.listed(await api.list(kind, namespace, labels=labels, fields=fields)):
                    yield change
            asked = {**query, **_watching(seen.version, seconds)}
            async with api.requests.lines(path, asked, seconds + SLACK_SECONDS) as lines:
                pauses.believed()
                async for line in lines:
                    pauses.useful()
                    for change in seen.told(_event(line)):
                        yield change
            failure: ClusterError = ApiUnreachable("the watch has ended", cause="lost", sent=True)
        except ClusterError as error:
            failure = error
        if isinstance(failure, Gone) or TOO_LARGE in str(failure):
            seen.version = ""
        await pauses.wait(failure)


class _Pauses:
    """How long to wait before the next watch, and which failures waiting does not mend."""

    def __init__(self) -> None:
        self._backoff = Backoff(None)
        self._refused_since: float | None = None

    def believed(self) -> None:
        """The API server has let us in."""
        self._refused_since = None

    def useful(self) -> None:
        """The watch has told something."""
        self._backoff = Backoff(None)

    async def wait(self, failure: ClusterError) -> None:
        """Wait until it is worth another try.

        Raises:
            ClusterError: The same, where it stays.
        """
        if not isinstance(failure, Gone) and not is_passing(failure):
            now = time.monotonic()
            self._refused_since = self._refused_since or now
            if now - self._refused_since > DOUBT_SECONDS:
                raise failure
        await self._backoff.wait(failure)


class _Seen:
    """What has been told, and up to which moment.

    Args:
        known: What counts as told.

    Attributes:
        version: The moment; empty where it is too long ago, and everything has to be listed again.
    """

    def __init__(self, known: Sequence[Manifest]) -> None:
        self.version = ""
        self._known = {_key(item): item for item in known}

    def listed(self, listing: Listing) -> Iterator[Change]:
        """What a list tells anew."""
        there = {_key(item): item for item in listing.items}
        for key in [key for key in self._known if key not in there]:
            yield Change("gone", self._known.pop(key))
        for item in there.values():
            yield from self._put(item)
        self.version = listing.resource_version

    def told(self, event: Manifest) -> Iterator[Change]:
        """What an event of a watch tells, if anything.

        Raises:
            ApiRefused: The event is an error.
        """
        item, what = cast("Manifest", event["object"]), event["type"]
        if what == "ERROR":
            raise read_status(item)
        self.version = item["metadata"]["resourceVersion"]
        if what == "DELETED":
            self._known.pop(_key(item), None)
            yield Change("gone", item)
        elif what != "BOOKMARK":
            yield from self._put(item)

    def _put(self, item: Manifest) -> Iterator[Change]:
        known = self._known.get(_key(item))
        self._known[_key(item)] = item
        if known is None:
            yield Change("there", item)
        elif _uid(known) != _uid(item):
            yield Change("gone", known)
            yield Change("there", item)
        elif known["metadata"].get("resourceVersion") != item["metadata"].get("resourceVersion"):
            yield Change("changed", item)


def _key(item: Manifest) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _uid(item: Manifest) -> str:
    return item["metadata"].get("uid", "")


def _watching(version: str, seconds: int) -> dict[str, str]:
    return {
        "watch": "true",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }


def _event(line: bytes) -> Manifest:
    try:
        event = json.loads(line)
        if event["type"] == "ERROR" or event["object"]["metadata"]["resourceVersion"]:
            return cast("Manifest", event)
    except (ValueError, KeyError, TypeError):
        pass
    raise ServerFailing(HTTPStatus.BAD_GATEWAY, "", "the watch says what no API server says", {})
