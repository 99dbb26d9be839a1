"""Why a sandbox cannot be reached: it was killed, or it has ended; else the connection alone is at fault."""

from typing import TYPE_CHECKING, Final

from kubebox.errors import (
    AnswerTimeout,
    ConnectionLost,
    KubeboxError,
    NotConnected,
    SandboxLost,
    SandboxUnreachable,
    WorkspaceRestarting,
)

if TYPE_CHECKING:
    from kubebox._pods import KubeboxPod

END_SECONDS: Final = 2.0
"""Seconds to wait for the end of a pod that cannot be reached: it takes some tenths to end and to say so."""

_LIKE_AN_END: Final = (AnswerTimeout, ConnectionLost, SandboxUnreachable, WorkspaceRestarting)
"""What a sandbox that has ended, or is just ending, looks like from outside. The last one: the server that says so does not know
that a local sandbox ends with its workspace."""


class Fate:
    """What became of one sandbox.

    Args:
        pod: Its pod, where it has one of its own.

    Attributes:
        killed: Whether `Sandbox.kill()` was called.
        left: Whether `Sandbox.disconnect()` was.
    """

    def __init__(self, pod: "KubeboxPod | None") -> None:
        self._pod = pod
        self.killed = False
        self.left = False

    async def explain(self, error: KubeboxError, seconds: float | None = None) -> KubeboxError:
        """The error to raise where the way to the sandbox failed.

        Args:
            error: What it looks like.
            seconds: To wait for an end that is just coming; `None` for as long as one takes to come.
        """
        if self.killed:
            return NotConnected("the sandbox was killed; Sandbox.create() makes another", **error.data)
        if self.left:
            return NotConnected(
                "the sandbox was disconnected; Sandbox.connect() finds it again", **error.data
            )
        if self._pod is None or not isinstance(error, _LIKE_AN_END):
            return error
        verdict = await self._pod.verdict_within(END_SECONDS if seconds is None else seconds)
        if verdict is None:
            return error
        return SandboxLost(f"the sandbox has ended: {verdict.message}", verdict=verdict, **error.data)
