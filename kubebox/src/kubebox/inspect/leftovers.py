"""Sandboxes of samples that have not been cleaned up."""

import asyncio
from typing import Final

from kubebox import Sandbox
from kubebox._where import LOCAL, choose_where, is_url
from kubebox.errors import SandboxNotFound

MADE_BY: Final = "inspect_ai-task"
"""The metadata by which sandboxes in a cluster are known to be an evaluation's: its value is the task."""


class Leftovers:
    """The sandboxes that this program has made for samples, and not ended yet."""

    def __init__(self) -> None:
        self._sandboxes: list[Sandbox] = []

    def add(self, sandbox: Sandbox) -> None:
        """Remember one."""
        self._sandboxes.append(sandbox)

    async def end(self, sandbox: Sandbox) -> None:
        """End one, and forget it. Again does nothing."""
        await sandbox.kill()
        # Not before: what could not be ended is tried again by the end of all.
        if sandbox in self._sandboxes:
            self._sandboxes.remove(sandbox)

    async def end_all(self) -> None:
        """End all that are left. One that fails leaves the others their ends."""
        outcomes = await asyncio.gather(*map(self.end, list(self._sandboxes)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def end_in_cluster(self, sandbox_id: str | None) -> None:
        """End what earlier evaluations have left in the cluster that is configured; on this machine nothing outlives them.

        Args:
            sandbox_id: Only this one.

        Raises:
            SandboxNotFound: There is none of this id.
        """
        where = choose_where()
        if where == LOCAL or is_url(where):
            return
        found = [one.id for one in await Sandbox.list(where) if MADE_BY in one.metadata]
        if sandbox_id is not None and sandbox_id not in found:
            raise SandboxNotFound(f"no evaluation has left a sandbox {sandbox_id!r}")
        for each in found if sandbox_id is None else [sandbox_id]:
            async with Sandbox.connect(each, where=where) as sandbox:
                await sandbox.kill()
