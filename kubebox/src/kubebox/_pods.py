"""Pods: what `create_pod` gives, and the registry that knows them by name."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from kubebox import _arguments
from kubebox._backend import Backend, Body, Limit, OwnKeys, PodSpecification
from kubebox._background import Background, join
from kubebox._lives import Life
from kubebox.errors import PodFailed, PodNotReady

if TYPE_CHECKING:
    from kubebox_protocol.verdicts import Verdict

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

    def __init__(self, life: Life) -> None:
        self.name = life.name
        self.namespace = life.namespace
        self._life = life

    @property
    def limits(self) -> Mapping[str, Limit]:
        """For each resource `value`, `enforced_by` and `note`. Empty until the pod is ready."""
        return self._life.ready.limits if self._life.ready else {}

    @property
    def identity(self) -> str | None:
        """The server's public identity key, base64, for `SandboxClient`; set when ready.

        A client that has it need not trust the first contact.
        """
        return self._life.ready.identity if self._life.ready else None

    @property
    def phases(self) -> Mapping[str, float]:
        """Milliseconds from its start to each step of getting ready. Empty until the pod is ready."""
        return self._life.ready.phases if self._life.ready else {}

    @property
    def progress(self) -> str:
        """What it waits for, as a clause; empty where it waits for nothing.

        In a cluster also while its workspace is being restarted: how that ended, and how long Kubernetes waits.
        """
        return self._life.progress

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
        """End it and wait until nothing of it is left. Again does nothing.

        Raises:
            PodConflict: This never was the pod of its name: it asked for another specification. That pod lives on.
        """
        await join(self._life.destroy())

    async def set_timeout(self, seconds: float) -> None:
        """Have it live for so long from now on, instead of what was left of its lifetime; see `Sandbox.set_timeout`.

        Args:
            seconds: More than 0, at most thirty days.

        Raises:
            NotSupported: In a cluster, it would live longer than before.
            SandboxLost: It has ended.
        """
        await self._life.set_timeout(_arguments.seconds("seconds", seconds))

    async def logs(self) -> str:
        """The newest of what its server said; also after its end."""
        return await self._life.logs()

    async def verdict(self) -> "Verdict | None":
        """How it ended; `None` while it lives."""
        return await self._life.verdict()

    async def verdict_within(self, seconds: float) -> "Verdict | None":
        """How it ended, waiting for an end that may be just coming; `None` where it lives on.

        Args:
            seconds: To wait at most.
        """
        return await self._life.verdict_within(seconds)

    def __repr__(self) -> str:
        return f"KubeboxPod({self.name!r}, namespace={self.namespace!r})"

    async def address(self, timeout: float | None = DEFAULT_TIMEOUT) -> str:
        """Wait until it is ready, and give its server's host and port.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: As `wait_until_ready`.
        """
        started = self._life.started
        try:
            ready = await join(started, timeout)
        except TimeoutError as error:
            if started.done():
                raise  # a KubeboxError that is a TimeoutError too
            waits = self._life.progress
            raise PodNotReady(
                f"pod {self.name!r} was not ready within {timeout:g} s"
                + (f": {waits}" if waits else "")
                + "; it goes on starting",
                **({"reason": waits} if waits else {}),
            ) from error
        verdict = self._life.known_verdict
        if verdict is not None:
            raise PodFailed(f"pod {self.name!r} has ended: {verdict.message}", verdict=verdict)
        return ready.address


def destroyed(pod: KubeboxPod) -> "Future[None]":
    """What `pod.destroy()` waits for: an end that goes on whoever gives up waiting."""
    return pod._life.destroy()  # pyright: ignore[reportPrivateUsage] - no method, since it is nothing for callers


class Registry:
    """The pods of one Kubebox by name, and whoever waits for one.

    Args:
        backend: Where they run.
        background: The loop on which it is called.
        forgotten: Called with a name when its pod has been destroyed.
    """

    def __init__(self, backend: Backend, background: Background, forgotten: Callable[[Key], None]) -> None:
        self.backend = backend
        self.background = background
        self._forgotten = forgotten
        self._lock = threading.Lock()
        self._pods: dict[Key, tuple[KubeboxPod, Life]] = {}
        self._awaited: dict[Key, list[Future[KubeboxPod]]] = {}

    def create(self, specification: PodSpecification, own_keys: OwnKeys) -> KubeboxPod:
        """Give the pod of this name, made where there is none.

        Args:
            specification: What is asked for.
            own_keys: Gives the caller's own public key.
        """
        key = specification.namespace, specification.name

        async def begin() -> Body:
            return await self.backend.start(specification, own_keys)

        with self._lock:
            existing, life = self._pods.get(key, (None, None))
            if existing is not None and life is not None and not life.ended:
                # One that is in conflict is not kept, finds that out when it starts, and tells whoever awaits
                # it.
                same = life.specification == specification
                return existing if same else KubeboxPod(self._begin(key, specification, begin))
            if life is not None:
                self._forgotten(key)
            return self._keep(key, self._begin(key, specification, begin))

    def adopt(self, key: Key, follow: Callable[[], Body]) -> KubeboxPod:
        """Give the pod of a name that another program made.

        Args:
            key: Its namespace and name.
            follow: Follows what was found.
        """

        async def begin() -> Body:
            return follow()

        with self._lock:
            existing, life = self._pods.get(key, (None, None))
            if existing is not None and life is not None and not life.ended:
                return existing
            return self._keep(key, self._begin(key, None, begin))

    def find(self, key: Key) -> "Future[KubeboxPod]":
        """The pod of a name, as soon as there is one."""
        found: Future[KubeboxPod] = Future()
        with self._lock:
            if key in self._pods:
                found.set_result(self._pods[key][0])
            else:
                self._awaited.setdefault(key, []).append(found)
        return found

    def has_ended(self, key: Key) -> bool:
        """Whether the pod of a name has ended by itself."""
        with self._lock:
            _, life = self._pods.get(key, (None, None))
        return life is not None and life.ended

    def pods_in(self, namespace: str) -> list[KubeboxPod]:
        """Those of a namespace that have not ended."""
        with self._lock:
            return [pod for pod, life in self._pods.values() if pod.namespace == namespace and not life.ended]

    def destroy_all(self) -> "Future[None]":
        """Destroy every pod that was created here; those that were only found are others'."""
        with self._lock:
            lives = [life for _, life in self._pods.values() if life.specification is not None]
        return self.background.submit(_all_ended([life.destroy() for life in lives]))

    def close(self) -> None:
        """End the loop, and before it every pod that would not outlive the program, and what is being destroyed.

        On the loop's own thread, where the last one who knew of this may have ended, it is done by another one.
        """
        if self.background.is_here:
            threading.Thread(target=self.close, name="kubebox: close").start()
        elif self.background.started:
            try:
                if not self.backend.outlived:
                    self.destroy_all().result(DEFAULT_TIMEOUT)
                self.background.settle(DEFAULT_TIMEOUT)  # whose callers were cancelled, and wait no more
                self.background.submit(self.backend.close()).result(DEFAULT_TIMEOUT)
            finally:
                self.background.stop()

    def _begin(
        self, key: Key, specification: PodSpecification | None, begin: Callable[[], Awaitable[Body]]
    ) -> Life:
        namespace, name = key
        return Life(
            name,
            namespace,
            specification,
            begin,
            self.background,
            keeps=self._keeps,
            forget=self._forget,
        )

    def _keep(self, key: Key, life: Life) -> KubeboxPod:
        pod = KubeboxPod(life)
        self._pods[key] = pod, life
        for waiting in self._awaited.pop(key, []):
            waiting.set_result(pod)
        return pod

    def _keeps(self, life: Life) -> bool:
        with self._lock:  # held by `create` until a new one is kept
            return self._is_kept(life)

    def _forget(self, life: Life) -> None:
        with self._lock:
            if not self._is_kept(life):
                return
            del self._pods[life.namespace, life.name]
        self._forgotten((life.namespace, life.name))

    def _is_kept(self, life: Life) -> bool:
        kept = self._pods.get((life.namespace, life.name))
        return kept is not None and kept[1] is life


async def _all_ended(ends: "list[Future[None]]") -> None:
    waiting = [asyncio.wrap_future(end) for end in ends]
    # All of them: the first that fails must not have the others given up.
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
