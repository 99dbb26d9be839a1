"""The port of a sandbox: bound once, and in a pod held for as long as the container lives."""

import socket
from typing import Final

BACKLOG: Final = 1024
"""Connections that wait for the server to take them, also while another one starts."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen, so that clients wait for the server instead of being refused, and nobody else ever gets the port.

    Args:
        host: An address of this machine; empty for all of them, of IPv4 and of IPv6 where the machine has that.
        port: A port; 0 for any that is free.

    Raises:
        OSError: It cannot be bound, for instance since another process has it.
    """
    listening = _bound(host, port)
    # What it accepts has it from here. asyncio sets it only where a socket knows its protocol, as these do not, and an
    # answer whose body comes after its head would wait 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _bound(host: str, port: int) -> socket.socket:
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=BACKLOG)
