"""A sandbox's pod, and the Kubebox that is let go of with it."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from kubebox._background import join

if TYPE_CHECKING:
    from kubebox._pods import KubeboxPod
    from kubebox.manager import Kubebox

_log = logging.getLogger(__name__)


class Owned:
    """A sandbox's pod, and the Kubebox that made or found it.

    Args:
        kubebox: Who made it.
        pod: It.
        metadata: What it was given to be known by.
        shared: Whether the Kubebox has others, and is theirs to close.
    """

    def __init__(
        self, kubebox: "Kubebox", pod: "KubeboxPod", metadata: Mapping[str, str], *, shared: bool = False
    ) -> None:
        self.kubebox = kubebox
        self.pod = pod
        self.metadata = metadata
        self._shared = shared

    @property
    def outlives(self) -> bool:
        """Whether it lives on without this program."""
        return self.kubebox.outlived

    async def destroy(self) -> None:
        """End it, and what was made for it alone. Who is cancelled leaves that under way; what failed can be tried again."""
        from kubebox._pods import destroyed

        ending = destroyed(self.pod)
        try:
            await join(ending)
        except asyncio.CancelledError:
            ending.add_done_callback(self._leave_after)
            raise
        await self.leave()

    async def give_up(self) -> None:
        """The same, where nobody will try again."""
        try:
            await self.destroy()
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Let go of it; where sandboxes outlive programs, it lives on."""
        if not self._shared:
            await asyncio.to_thread(self.kubebox.close)

    def _leave_after(self, ending: "Future[None]") -> None:
        error = None if ending.cancelled() else ending.exception()
        if error is not None:  # Nobody waits for it any more; kill() tries again.
            _log.warning("sandbox %s could not be ended: %s", self.pod.name, error)
        elif not self._shared:  # In a thread of its own: this is called on a loop's, which must not wait.
            threading.Thread(target=self.kubebox.close, name="kubebox: close").start()
