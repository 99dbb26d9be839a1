"""What becomes of a command whose caller waits for it, and is gone: it must not run on for nobody."""

from typing import Final

from kubebox_protocol.limits import MAX_TIMEOUT_SECONDS

WAIT_LEASE_SECONDS: Final = 120.0
"""Seconds that a command goes on when the client that waits for it is gone: twice what a lost connection may take to come
back."""


def wait_lease(reconnect: float) -> float:
    """The lease of a command that is waited for, where its caller gives none: the sandbox ends it when that is gone for good.

    Args:
        reconnect: Seconds that a lost connection of this client may take to come back.
    """
    return min(max(WAIT_LEASE_SECONDS, 2 * reconnect), MAX_TIMEOUT_SECONDS)
