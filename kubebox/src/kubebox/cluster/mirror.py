"""The sandboxes' pods of one namespace, as Kubernetes tells of them: one watch, however many sandboxes there are."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from kubebox.cluster.translate import translate
from kubebox.errors import KubeboxError
from kubebox_cluster import names
from kubebox_cluster.api import Api
from kubebox_cluster.errors import ClusterError
from kubebox_cluster.kinds import PODS
from kubebox_cluster.watch import follow

Pod = Mapping[str, Any]


class Seen:
    """What is known of one sandbox's pod, and its changes.

    Attributes:
        pod: As it is; `None` while there is none, or no more.
        error: Why nothing more will be known.
    """

    def __init__(self) -> None:
        self.pod: Pod | None = None
        self.error: KubeboxError | None = None
        self._changed = asyncio.Event()

    def tell(self, pod: Pod | None, error: KubeboxError | None = None) -> None:
        """Note a change, and wake who waits for one."""
        self.pod, self.error = pod, error
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, holds: Callable[[Pod | None], bool]) -> Pod | None:
        """Wait until something holds of the pod.

        Raises:
            KubeboxError: Nothing more will be known.
        """
        while not holds(self.pod):
            if self.error is not None:
                raise self.error
            await self._changed.wait()
        return self.pod


class Mirror:
    """All sandboxes' pods of a namespace.

    Args:
        api: The cluster.
        namespace: Where.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._pods: dict[str, Pod] = {}
        self._seen: dict[str, list[Seen]] = {}
        self._following: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def look(self, name: str) -> Seen:
        """Follow one pod; to be given back with `forget`."""
        seen = Seen()
        seen.pod = self._pods.get(name)
        self._seen.setdefault(name, []).append(seen)
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow(), name=f"kubebox: pods of {self._namespace}")
        return seen

    def forget(self, name: str, seen: Seen) -> None:
        """Follow it no longer. With the last one the watch ends."""
        others = self._seen.get(name, [])
        if seen in others:
            others.remove(seen)
        if not others:
            self._seen.pop(name, None)
        if not self._seen and self._following is not None:
            self._following.cancel()
            self._ending.add(self._following)
            self._following.add_done_callback(self._ending.discard)
            self._following = None  # Who looks next begins another.
            self._pods.clear()

    async def close(self) -> None:
        """End the watch."""
        if self._following is not None:
            self._following.cancel()
            self._ending.add(self._following)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _follow(self) -> None:
        try:
            changes = follow(self._api, PODS, self._namespace, labels=names.selector())
            async with aclosing(changes):
                async for change in changes:
                    self._take(change.type, change.object)
        except ClusterError as error:  # What waiting does not mend; who asks anew begins anew.
            problem = translate(error, f"watch pods in {self._namespace!r}")
            for name, waiting in self._seen.items():
                for seen in waiting:
                    seen.tell(self._pods.get(name), problem)

    def _take(self, kind: str, pod: Pod) -> None:
        name = str(pod["metadata"]["name"])
        if kind == "gone":
            self._pods.pop(name, None)
        else:
            self._pods[name] = pod
        for seen in self._seen.get(name, ()):
            seen.tell(self._pods.get(name))
