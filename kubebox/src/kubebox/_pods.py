"""Pods: what `create_pod` gives, and the registry that knows them by name."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from kubebox._backend import Access, Backend, Body, PodSpecification, Ready
from kubebox._background import Background, join
from kubebox.errors import PodConflict, PodFailed, PodNotReady

if TYPE_CHECKING:
    from kubebox_protocol.executions import Verdict

DEFAULT_TIMEOUT: Final = 120.0
"""Seconds to wait for a pod. Locally a second is much; a cluster may have to pull an image."""

Key = tuple[str, str]
"""A namespace and a name."""


class KubeboxPod:
    """A sandbox.

    Attributes:
        name: Its name.
        namespace: Where it lies.
    """

    def __init__(
        self, registry: "Registry", specification: PodSpecification, access: Callable[[], Access]
    ) -> None:
        self.name = specification.name
        self.namespace = specification.namespace
        self._specification = specification
        self._registry = registry
        self._body: Body | None = None
        self._ready: Ready | None = None
        self._started: Future[Ready] = registry.background.submit(self._start(access))

    @property
    def limits(self) -> Mapping[str, Mapping[str, Any]]:
        """For each resource `value`, `enforced_by` and `note`. Empty until the pod is ready."""
        return self._ready.limits if self._ready else {}

    @property
    def identity(self) -> str | None:
        """The server's public identity key, base64, for `SandboxClient`; set when ready.

        A client that has it need not trust the first contact.
        """
        return self._ready.identity if self._ready else None

    @property
    def phases(self) -> Mapping[str, float]:
        """Milliseconds from its start to each step of getting ready. Empty until the pod is ready."""
        return self._ready.phases if self._ready else {}

    async def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until its server and its workspace answer.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            PodNotReady: It took longer; it goes on starting.
            PodConflict: A pod of this name was created with another specification.
            LocalUnavailable: This machine cannot run it.
            NotSupported: It asks for what this place does not have.
            PodFailed: It could not start, or has ended.
        """
        await self.address(timeout)

    async def destroy(self) -> None:
        """End it and wait until nothing of it is left. Again does nothing."""
        await join(self._registry.background.submit(self.end()))

    async def logs(self) -> str:
        """The newest of what its server said; also after its end."""
        return await join(self._registry.background.submit(self._logs()))

    async def verdict(self) -> "Verdict | None":
        """How it ended; `None` while it lives."""
        return self._body.verdict() if self._body else None

    def __repr__(self) -> str:
        return f"KubeboxPod({self.name!r}, namespace={self.namespace!r})"

    async def address(self, timeout: float | None = DEFAULT_TIMEOUT) -> str:
        """Wait until it is ready, and give its server's host and port.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: As `wait_until_ready`.
        """
        try:
            ready = await join(self._started, timeout)
        except TimeoutError as error:
            if self._started.done():
                raise  # a KubeboxError that is a TimeoutError too
            raise PodNotReady(
                f"pod {self.name!r} was not ready within {timeout:g} s; it goes on starting"
            ) from error
        verdict = self._body.verdict() if self._body else None
        if verdict is not None:
            raise PodFailed(f"pod {self.name!r} has ended: {verdict.message}", verdict=verdict)
        return ready.address

    async def _start(self, access: Callable[[], Access]) -> Ready:
        if not self._registry.keeps(self):
            raise PodConflict(
                f"pod {self.name!r} exists with another specification; destroy it first, or take another name"
            )
        try:
            given = await asyncio.to_thread(access)
            self._body = await self._registry.backend.start(self._specification, given)
            self._ready = await self._body.ready()
        except BaseException:
            if self._body is not None:
                await self._body.destroy()
            self._registry.forget(self)
            raise
        return self._ready

    async def end(self) -> None:
        """What `destroy` does, on Kubebox's own loop."""
        if self._body is None:  # it has none yet, or will never have
            await asyncio.wait({asyncio.wrap_future(self._started)})
        if self._body is not None:
            await self._body.destroy()
        self._registry.forget(self)

    async def _logs(self) -> str:
        return await self._body.logs() if self._body else ""

    def asks_for(self, specification: PodSpecification) -> bool:
        """Whether it was created to be just this."""
        return self._specification == specification

    def has_ended(self) -> bool:
        """Whether it has ended, or never began."""
        failed = self._started.done() and self._ready is None
        return failed or (self._body is not None and self._body.verdict() is not None)


class Registry:
    """The pods of one Kubebox by name, and whoever waits for one.

    Args:
        backend: Where they run.
        background: The loop on which it is called.
    """

    def __init__(self, backend: Backend, background: Background) -> None:
        self.backend = backend
        self.background = background
        self._lock = threading.Lock()
        self._pods: dict[Key, KubeboxPod] = {}
        self._awaited: dict[Key, list[Future[KubeboxPod]]] = {}

    def create(self, specification: PodSpecification, access: Callable[[], Access]) -> KubeboxPod:
        """Give the pod of this name, made where there is none.

        Args:
            specification: What is asked for.
            access: Gives its keys and secrets; called once, where it may take its time.
        """
        key = (specification.namespace, specification.name)
        with self._lock:
            existing = self._pods.get(key)
            if existing is not None and not existing.has_ended():
                # One that is in conflict is not kept, finds that out when it starts, and tells whoever awaits
                # it.
                return (
                    existing if existing.asks_for(specification) else KubeboxPod(self, specification, access)
                )
            pod = self._pods[key] = KubeboxPod(self, specification, access)
            for waiting in self._awaited.pop(key, []):
                waiting.set_result(pod)
            return pod

    def find(self, key: Key) -> "Future[KubeboxPod]":
        """The pod of a name, as soon as there is one."""
        found: Future[KubeboxPod] = Future()
        with self._lock:
            pod = self._pods.get(key)
            if pod is not None:
                found.set_result(pod)
            else:
                self._awaited.setdefault(key, []).append(found)
        return found

    def keeps(self, pod: KubeboxPod) -> bool:
        """Whether a pod is the one of its name."""
        with self._lock:
            return self._pods.get((pod.namespace, pod.name)) is pod

    def forget(self, pod: KubeboxPod) -> None:
        """Free the name of a pod that has ended."""
        with self._lock:
            if self._pods.get((pod.namespace, pod.name)) is pod:
                del self._pods[pod.namespace, pod.name]

    def pods_in(self, namespace: str) -> list[KubeboxPod]:
        """Those of a namespace that have not ended."""
        with self._lock:
            return [pod for pod in self._pods.values() if pod.namespace == namespace and not pod.has_ended()]

    def destroy_all(self) -> "Future[None]":
        """Destroy every pod."""
        with self._lock:
            pods = list(self._pods.values())
        return self.background.submit(_destroy_all(pods))

    def close(self) -> None:
        """Destroy every pod, wait, and end the loop."""
        if self.background.started:
            try:
                self.destroy_all().result(DEFAULT_TIMEOUT)
            finally:
                self.background.stop()


async def _destroy_all(pods: list[KubeboxPod]) -> None:
    await asyncio.gather(*(pod.end() for pod in pods))
