"""The workspace as a witness of its own memory, where the server cannot see its cgroup: it passes the kernel's files.

What it says itself is not believed. But of a file of a cgroup only the kernel decides what is in it.
"""

import logging
import os

from kubebox_protocol.errors import Refused
from kubebox_sandbox.executions.verdict import MemoryKills
from kubebox_sandbox.memory import FILES, MemoryWatch
from kubebox_sandbox.workspace import Answer, Failed, Workspace
from kubebox_sandbox.workspace.descriptors import cgroup_file, close_all

logger = logging.getLogger(__name__)


class MemoryWitness:
    """Asks each workspace for the files of its memory, unless the operator has said where they lie.

    Args:
        memory: What reads them.

    Attributes:
        kills: What is made of it.
    """

    def __init__(self, memory: MemoryWatch) -> None:
        self._memory = memory
        self._is_needed = not memory.can_see
        self.kills = MemoryKills(memory)

    async def hear(self, workspace: Workspace, again: bool) -> None:
        """Ask a workspace that has just come.

        Args:
            workspace: The workspace.
            again: Whether it is the same as before, with what the kernel has counted.
        """
        had = self._memory.can_see
        if self._is_needed:
            self._memory.bring(await self._files(workspace))
        if not again or not had:
            self.kills.forget()

    def close(self) -> None:
        """Read no more."""
        self._memory.bring({})

    async def _files(self, workspace: Workspace) -> dict[str, int]:
        try:
            answer = await workspace.request("memory", {}, counted_by="files")
        except (Refused, Failed) as error:
            logger.info("the workspace tells nothing of its memory: %s", error)
            return {}
        return _believed(workspace, answer)


def _believed(workspace: Workspace, answer: Answer) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        for descriptor in answer.descriptors:
            name, ours = cgroup_file(descriptor)
            if name in found or name not in FILES:
                os.close(ours)
                raise OSError(None, f"{name[:64]!a} was not asked for")
            found[name] = ours
    except (Refused, OSError) as error:
        logger.warning("what the workspace passes of its memory is not believed: %s", error)
        close_all(found.values())
        found = {}
    finally:
        workspace.closer.give(answer.descriptors)
    return found
