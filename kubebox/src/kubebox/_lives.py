"""One pod's life, from its start to its end, on Kubebox's own loop. `KubeboxPod` is what callers see of it."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from kubebox._backend import Body, PodSpecification, Ready
from kubebox._background import Background, join
from kubebox.errors import PodConflict

if TYPE_CHECKING:
    from kubebox_protocol.verdicts import Verdict

VERDICT_SECONDS: Final = 5.0
"""Seconds to wait for a place to say whether a pod still lives."""


class Life:
    """A pod's start, what it is now, and its end.

    Args:
        name: Its name.
        namespace: Where it lies.
        specification: What it shall be; `None` for one that is there already.
        begin: Starts it, or finds it.
        background: The loop on which that is called.
        keeps: Whether this is the pod of its name.
        forget: Frees its name.

    Attributes:
        name: As given.
        namespace: As given.
        specification: As given.
        started: Its start.
        ready: What it is, as soon as it answers.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        specification: PodSpecification | None,
        begin: Callable[[], Awaitable[Body]],
        background: Background,
        *,
        keeps: "Callable[[Life], bool]",
        forget: "Callable[[Life], None]",
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.specification = specification
        self.ready: Ready | None = None
        self._background = background
        self._keeps = keeps
        self._forget = forget
        self._body: Body | None = None
        self._lock = threading.Lock()
        self._ending: Future[None] | None = None
        self.started: Future[Ready] = background.submit(self._start(begin))

    @property
    def ended(self) -> bool:
        """Whether it has ended, or never began."""
        failed = self.started.done() and self.ready is None
        return failed or self.known_verdict is not None

    @property
    def known_verdict(self) -> "Verdict | None":
        """How it ended, as far as that was told."""
        return self._body.verdict() if self._body else None

    @property
    def progress(self) -> str:
        """What it waits for, while it is not ready."""
        return self._body.progress() if self._body else ""

    async def verdict(self) -> "Verdict | None":
        """How it ended; asks, since an end may not have been told yet."""
        if self._body is None or self.known_verdict is not None:
            return self.known_verdict
        return await join(self._background.submit(self._ask_verdict()))

    async def verdict_within(self, seconds: float) -> "Verdict | None":
        """How it ended, waiting at most so long for an end that is just coming."""
        if self._body is None or self.known_verdict is not None:
            return self.known_verdict
        return await join(self._background.submit(self._await_end(seconds)))

    async def set_timeout(self, seconds: float) -> None:
        """Have it live for so long from now on."""
        await join(self._background.submit(self._set_timeout(seconds)))

    async def logs(self) -> str:
        """The newest of what its server said."""
        return await join(self._background.submit(self._logs()))

    def destroy(self) -> "Future[None]":
        """End it. All who want that wait for the same end, which goes on without them; one that failed is tried again.

        The future raises `PodConflict` where it never was the pod of its name.
        """
        with self._lock:
            if self._ending is None or _has_failed(self._ending):
                self._ending = self._background.see_through(self._end())
            return self._ending

    async def _end(self) -> None:
        if self._body is None:  # it has none yet, or will never have
            started = asyncio.wrap_future(self.started)
            await asyncio.wait({started})
            # Looked at in any case, or asyncio would complain that nobody did.
            if not started.cancelled() and isinstance(started.exception(), PodConflict):
                raise PodConflict(
                    f"this is not pod {self.name!r} but a request for another one of that name, "
                    "which was refused; destroy() what the first create_pod() gave"
                )
        if self._body is not None:
            await self._body.destroy()
        self._forget(self)

    async def _start(self, begin: Callable[[], Awaitable[Body]]) -> Ready:
        if not self._keeps(self):
            raise PodConflict(
                f"pod {self.name!r} exists with another specification; destroy it first, or take another name"
            )
        try:
            self._body = await begin()
            self.ready = await self._body.ready()
        except BaseException:  # cancellation too: what did not start must leave nothing
            if self._body is not None:
                await self._body.abandon()
            self._forget(self)
            raise
        return self.ready

    async def _set_timeout(self, seconds: float) -> None:
        await asyncio.wrap_future(self.started)  # before, there is nothing that could live on
        assert self._body is not None  # noqa: S101 - since it has started
        await self._body.set_timeout(seconds)

    async def _logs(self) -> str:
        return await self._body.logs() if self._body else ""

    async def _ask_verdict(self) -> "Verdict | None":
        # The answer to a question, or the end of whoever would answer: after either, the verdict is up to date.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(VERDICT_SECONDS):
                await self._logs()
        return self.known_verdict

    async def _await_end(self, seconds: float) -> "Verdict | None":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._body is not None:
                    await self._body.ended()
        return self.known_verdict


def _has_failed(future: "Future[None]") -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
