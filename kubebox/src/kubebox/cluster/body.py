"""One sandbox in a cluster, from its record to its end."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from kubebox._backend import Ready
from kubebox._transport.http import Http
from kubebox.cluster.ask import asking, introduce, wait_until_up
from kubebox.cluster.creation import Making, owned_by
from kubebox.cluster.ending import end, last_words, remove_pod, tell
from kubebox.cluster.first import first
from kubebox.cluster.lifetime import set_timeout
from kubebox.cluster.limits import limits_of
from kubebox.cluster.mirror import Mirror, Pod
from kubebox.cluster.translate import translate, translated
from kubebox.errors import ConnectionFailed, ImageUnavailable, KubeboxError, PodFailed, SandboxLost
from kubebox_cluster import names
from kubebox_cluster.api import Api
from kubebox_cluster.errors import ClusterError, NotFound
from kubebox_cluster.kinds import PODS
from kubebox_cluster.starting import Progress, progress
from kubebox_cluster.tunnel import Tunnel, open_tunnel
from kubebox_cluster.verdict import ended
from kubebox_protocol.info import Info
from kubebox_protocol.verdicts import Verdict

UNKNOWN: Final = "unknown"

DELETE_SECONDS: Final = 60.0
"""Seconds to wait for a deleted pod to be gone: its grace of five, and a busy node."""

INTRODUCTIONS: Final = 5
"""How often a server is asked who it is before a connection that fails is taken for more than an accident."""

Build = Callable[[Making], Awaitable[Mapping[str, Any]]]
"""Makes the pod, or finds it, and tells how far it has come."""


class ClusterBody:
    """A sandbox in a cluster.

    Args:
        api: The cluster.
        mirror: The pods of its namespace.
        namespace: Where it lies.
        name: Its name.
        build: Makes its pod.
        found: The uid of its pod, where that was there before: then a failed start leaves it alone.
        left: Called when it is followed no longer.
    """

    def __init__(
        self,
        api: Api,
        mirror: Mirror,
        namespace: str,
        name: str,
        build: Build,
        *,
        found: str | None,
        left: "Callable[[ClusterBody], None]",
    ) -> None:
        self._api = api
        self._mirror = mirror
        self._namespace = namespace
        self._name = name
        self._build = build
        self._adopted = found is not None
        self._left = left
        self._making = Making()
        self._began = time.monotonic()
        self._phases: dict[str, float] = {}
        self._uid = found
        self._last_pod: Pod | None = None
        self._last_log = ""
        self._verdict: Verdict | None = None
        self._destroying = False
        self._over = asyncio.Event()
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._seen = mirror.look(name)
        self._running = asyncio.create_task(self._run(), name=f"kubebox: sandbox {name}")

    async def ready(self) -> Ready:
        """See `Body`."""
        return await asyncio.shield(self._ready)

    async def abandon(self) -> None:
        """See `Body`."""
        if self._destroying:
            return  # That is why its start failed. Whoever destroys it follows it to its end, and leaves it then.
        if self._adopted or self._making.found:
            await self.leave()
        else:
            await self.destroy()

    async def leave(self) -> None:
        """Follow it no longer; it lives on."""
        self._running.cancel()
        await asyncio.wait({self._running})
        if not self._ready.done():
            self._ready.set_exception(PodFailed(f"pod {self._name!r} is no longer waited for"))
        self._mirror.forget(self._name, self._seen)
        self._left(self)

    async def destroy(self) -> None:
        """See `Body`."""
        if self._verdict is None or self._verdict.kind == UNKNOWN:
            self._destroying = True
            if self._uid is None:
                await self._stop_making()
            if self._uid is not None or self._making.record is not None:
                self._last_log = await last_words(self._api, self._namespace, self._name)
                await self._end(Verdict(kind="destroyed", message="it was destroyed by its owner"))
        await self.leave()

    async def logs(self) -> str:
        """See `Body`."""
        if self._verdict is None:
            self._last_log = await last_words(self._api, self._namespace, self._name) or self._last_log
        return self._last_log

    async def set_timeout(self, seconds: float) -> None:
        """See `Body`."""
        if self._uid is None or self._verdict is not None:
            raise SandboxLost(f"sandbox {self._name!r} has ended", verdict=self._verdict)
        await set_timeout(self._api, self._namespace, self._name, self._uid, seconds)

    async def ended(self) -> None:
        """See `Body`."""
        await self._over.wait()

    def verdict(self) -> Verdict | None:
        """See `Body`."""
        return self._verdict

    def progress(self) -> str:
        """See `Body`."""
        return self._making.waits

    async def _stop_making(self) -> None:
        """End the making at whatever point it is, and find out whether there is a pod by now: nobody may have heard of it."""
        self._running.cancel()
        await asyncio.wait({self._running})
        record = self._making.record
        if record is not None:
            with translated(f"destroy sandbox {self._name!r}"), contextlib.suppress(NotFound):
                pod = await self._api.get(PODS, self._name, self._namespace)
                self._uid = str(pod["metadata"]["uid"]) if owned_by(pod, record) else None

    async def _run(self) -> None:
        try:
            pod = await self._build(self._making)
            self._uid = str(pod["metadata"]["uid"])
            self._mark("created")
            with translated(f"reach pod {self._name!r}"):
                tunnel = open_tunnel(self._api, self._namespace, self._name, names.SERVER_PORT, uid=self._uid)
                async with tunnel as opened:
                    await self._become_ready(opened)
                    await self._until_ended()
        except KubeboxError as error:
            self._fail(error)
        except ClusterError as error:
            self._fail(translate(error, f"create sandbox {self._name!r} in {self._namespace!r}"))
        except Exception as error:
            # The boundary of what follows a sandbox: whoever waits for it must hear of anything that ends this.
            self._fail(PodFailed(f"pod {self._name!r} cannot be followed: {type(error).__name__}: {error}"))

    async def _become_ready(self, tunnel: Tunnel) -> None:
        pod = await self._seen.until(self._runs_or_never_will)
        self._refuse_dead(pod)
        self._mark("containers")
        self._making.waits = "its server answers, and waits for its workspace or for its network to be closed"
        async with asking(tunnel) as http:
            # Until it is up it may also end, or turn out to be one that never comes up.
            pod = await first(wait_until_up(http, tunnel), self._seen.until(self._never_will))
            if pod is not None:
                self._refuse_dead(pod)
            self._mark("up")
            info = await self._introduced(http)
        self._mark("ready")
        limits = limits_of(self._seen.pod or {})
        self._ready.set_result(
            Ready(address=tunnel.address, identity=info.identity, limits=limits, phases=self._phases)
        )

    async def _introduced(self, http: Http) -> Info:
        for _ in range(INTRODUCTIONS - 1):
            with contextlib.suppress(ConnectionFailed):
                return await introduce(http, self._uid or "")
        return await introduce(http, self._uid or "")

    async def _until_ended(self) -> None:
        await self._seen.until(self._is_over)
        if self._destroying:
            await asyncio.Event().wait()  # Whoever destroys it says how it ended, and ends this task.
        verdict = await tell(self._api, self._last_pod or {}, gone=self._is_gone(self._seen.pod))
        if verdict is not None:
            self._last_log = await last_words(self._api, self._namespace, self._name)
            await self._end(verdict)

    async def _end(self, verdict: Verdict) -> None:
        recorded = await end(self._api, self._namespace, self._name, self._uid, verdict)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DELETE_SECONDS):
                if self._seen.pod is None:  # Gone, or the mirror has not come to it yet.
                    await remove_pod(self._api, self._namespace, self._name, self._uid)
                await self._seen.until(self._is_gone)
        self._verdict = recorded
        self._over.set()

    def _is_over(self, pod: Pod | None) -> bool:
        if pod is None or self._is_gone(pod):
            return True
        self._making.waits = progress(pod).reason  # That of a workspace that is being restarted, or none.
        return ended(pod)

    def _runs_or_never_will(self, pod: Pod | None) -> bool:
        if pod is None:
            return self._uid is not None and self._last_pod is not None
        found = self._look(pod)
        return found.running or found.permanent or ended(pod)

    def _never_will(self, pod: Pod | None) -> bool:
        return pod is None or self._look(pod).permanent or ended(pod)

    def _look(self, pod: Pod) -> Progress:
        self._last_pod = pod
        found = progress(pod)
        if found.reason:
            self._making.waits = found.reason
        if found.cause == "server-starting":
            self._mark("scheduled")
        elif found.cause == "workspace-starting":
            self._mark("server")
        return found

    def _refuse_dead(self, pod: Pod | None) -> None:
        if pod is None:
            raise PodFailed(f"pod {self._name!r} was deleted before it was ready")
        found = progress(pod)
        if found.permanent:
            kind = ImageUnavailable if found.cause == "image-unavailable" else PodFailed
            raise kind(f"pod {self._name!r} cannot start: {found.reason}", cause=found.cause)
        if ended(pod):
            raise PodFailed(f"pod {self._name!r} ended before it was ready: {self._making.waits}")

    def _is_gone(self, pod: Pod | None) -> bool:
        if pod is not None and pod["metadata"]["uid"] == self._uid:
            self._last_pod = pod
            return False
        return True

    def _fail(self, error: KubeboxError) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
        elif self._verdict is None:
            self._verdict = Verdict(kind="unknown", message=f"nothing more is known of it: {error.message}")
            self._over.set()

    def _mark(self, phase: str) -> None:
        self._phases.setdefault(phase, round((time.monotonic() - self._began) * 1000, 1))
