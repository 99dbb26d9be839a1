"""What becomes of a command whose caller waits for it, and is gone: it must not run on for nobody."""

from typing import Final

from kubebox_protocol.executions import StartCommand
from kubebox_protocol.limits import MAX_TIMEOUT_SECONDS

WAIT_LEASE_SECONDS: Final = 120.0
"""Seconds that a command goes on when the client that waits for it is gone: twice what a lost connection may take to come
back."""


def with_lease(command: StartCommand, reconnect: float) -> StartCommand:
    """A command that the sandbox ends when its caller is gone for good.

    Args:
        command: As it was asked for; its own lease holds, if it has one.
        reconnect: Seconds that a lost connection of this client may take to come back.
    """
    if command.lease is not None:
        return command
    lease = min(max(WAIT_LEASE_SECONDS, 2 * reconnect), MAX_TIMEOUT_SECONDS)
    return command.model_copy(update={"lease": lease})
