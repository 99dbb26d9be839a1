"""Connecting to a port of the workspace: init connects, and what it gives is looked at before a byte goes there."""

import socket
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.workspace import Failed, Workspace

DIAL_SECONDS: Final = 5.0
"""Seconds until a port that says neither yes nor no is given up: who listens there has more connections waiting than it takes."""

LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
"""The workspace's own addresses. There is no way to any other."""

_CLOSED: Final = {
    "ECONNREFUSED": "nothing listens on port {port} of the workspace; `ports.wait` waits until something does",
    "ETIMEDOUT": "what listens on port {port} of the workspace takes no connections",
    "ECONNRESET": "what listens on port {port} of the workspace takes no connections",
    "ENETUNREACH": "the workspace has no network of its own, so nothing listens on port {port}",
}
_EXHAUSTED: Final = frozenset({"EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOSPC", "EADDRNOTAVAIL", "EAGAIN"})


async def dial(workspace: Workspace, port: int) -> socket.socket:
    """Connect to a port on the workspace's own addresses. Closing what this gives is the closer's.

    Raises:
        Refused: Nothing takes a connection there, or the workspace can't make one.
    """
    asked = {"port": port, "timeout_ms": int(DIAL_SECONDS * 1000)}
    try:
        answer = await workspace.request("dial", asked, expected=1)
    except Failed as failed:
        raise _refusal(failed, port) from None
    (descriptor,) = answer.descriptors
    connected = _opened(descriptor)
    if connected is None or not _leads_to(connected, port):
        if connected is not None:
            connected.detach()
        workspace.closer.give([descriptor])
        raise Refused(
            ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed another connection than the one asked for"
        )
    return connected


def _opened(descriptor: int) -> socket.socket | None:
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        return None  # It is no socket at all.


def _leads_to(connected: socket.socket, port: int) -> bool:
    """Whether it is one of TCP, to this port of the workspace's own: the kernel says so, not the workspace."""
    if connected.type != socket.SOCK_STREAM or connected.proto != socket.IPPROTO_TCP:
        return False
    try:
        return connected.getpeername()[:2] == (LOOPBACK.get(connected.family), port)
    except OSError:
        return False  # It listens, or is connected to nothing.


def _refusal(failed: Failed, port: int) -> Refused:
    if failed.errno in _CLOSED:
        return Refused(ErrorCode.PORT_CLOSED, _CLOSED[failed.errno].format(port=port), port=port)
    if failed.errno in _EXHAUSTED:
        return Refused(
            ErrorCode.WORKSPACE_EXHAUSTED, "the workspace has no connections, memory or descriptors left"
        )
    return Refused(ErrorCode.INTERNAL_ERROR, f"the workspace failed with {failed.errno[:32]!a}")
