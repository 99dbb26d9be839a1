"""The sockets under the connections to an API server: made so that a silent end is noticed, and closed with the rest."""

import asyncio
import contextlib
import socket
from typing import Any, Final, TypeAlias

KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""After so many seconds of silence the other end's kernel is asked whether it is still there, so often, so many times. It also
keeps those on the way from forgetting the connection."""

CUT_SECONDS: Final = 1.0
"""Seconds for asyncio to close what was cut: it does in the next turns of the loop."""

LOOK_SECONDS: Final = 0.002
"""Between two looks; nothing tells that a transport of somebody else's has closed its socket."""

Address: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]


class Sockets:
    """All sockets of one connection to an API server.

    A TLS connection that is given up in the middle says goodbye and waits for the answer, on its own: its owner has forgotten it
    by then, and a loop that ends meanwhile would leave it open.
    """

    def __init__(self) -> None:
        self._made: set[socket.socket] = set()

    def make(self, address: Address) -> socket.socket:
        """A socket that notices when nobody is at the other end any more: watches and tunnels may be silent for long."""
        made = socket.socket(*address[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):  # not every system lets one choose
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._made = {*self._open(), made}
        return made

    async def cut(self) -> None:
        """End what is still open, and wait until it is closed."""
        for one in self._open():
            with contextlib.suppress(OSError):  # The other end was first.
                one.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CUT_SECONDS):
                while self._open():  # noqa: ASYNC110 - see LOOK_SECONDS
                    await asyncio.sleep(LOOK_SECONDS)

    def _open(self) -> list[socket.socket]:
        return [one for one in self._made if one.fileno() >= 0]
