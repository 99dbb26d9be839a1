"""`sandbox.ports`: what listens in the workspace, for programs of this machine."""

import time
from typing import Final

from kubebox import _arguments
from kubebox._forward import PortForward, listen
from kubebox._opening import Opening
from kubebox._transport.base import ANSWER_SECONDS, Transport
from kubebox.errors import NotConnected, PortTimeout
from kubebox_protocol.limits import MAX_PORT_WAIT_SECONDS
from kubebox_protocol.ports import PortState, port_target

WAIT_SECONDS: Final = 60.0
"""Seconds to wait for a port, unless it is told otherwise."""

LOOPBACK: Final = "127.0.0.1"
"""Where forwards listen, unless they are told otherwise: nobody on another machine reaches them."""


class SandboxPorts:
    """A sandbox's ports: those on its own 127.0.0.1 or ::1, whatever its network allows. Nothing needs to be opened for them.

    Args:
        transport: The way to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._forwards: set[PortForward] = set()
        self._shared: dict[int, PortForward] = {}

    def __repr__(self) -> str:
        return f"<SandboxPorts: {len(self._forwards)} on this machine>"

    async def wait(self, port: int, *, timeout: float = WAIT_SECONDS) -> None:
        """Wait until something in the sandbox listens on a port.

        Nothing tells the sandbox when that begins, so it tries: what listens sees connections that end at once.

        Args:
            port: The port, in the sandbox.
            timeout: Seconds.

        Raises:
            PortTimeout: Nothing listened in time.
            PortRefused: The sandbox's own server listens there.
            InvalidArgument: It is no port.
        """
        target = port_target(_arguments.port("port", port))
        deadline = time.monotonic() + _arguments.seconds("timeout", timeout)
        while True:
            left = max(0.0, deadline - time.monotonic())
            # Rounded: a number like 1e-05 would be written otherwise than it is signed.
            query = {"wait": round(min(left, MAX_PORT_WAIT_SECONDS), 3)}
            state = await self._transport.request(
                "GET", target, PortState, query=query, timeout=ANSWER_SECONDS, repeat=True
            )
            if state.open:
                return
            if time.monotonic() >= deadline:
                raise PortTimeout(
                    f"nothing listened on port {port} of the sandbox within {timeout:g} s", port=port
                )

    async def url(self, port: int) -> str:
        """A URL of this machine that leads to a port of the sandbox: `http://127.0.0.1:PORT`.

        It works with any client (HTTP, WebSocket, anything over TCP) for as long as the sandbox is connected, and is the same
        each time. A connection while nothing listens there is reset; `wait` waits until something does. Whatever runs on this
        machine, for whichever user, can use it too.

        Args:
            port: The port, in the sandbox.

        Raises:
            LocalPortError: This machine gives no port to listen on.
            InvalidArgument: It is no port.
        """
        shared = self._shared.get(_arguments.port("port", port))
        if shared is None:
            shared = self._shared[port] = self._open(port, 0, LOOPBACK)
        return shared.url

    def forward(self, port: int, local_port: int = 0, *, host: str = LOOPBACK) -> Opening[PortForward]:
        """Put a port of the sandbox on a port of this machine: await it, or enter it with `async with`.

        Args:
            port: The port, in the sandbox.
            local_port: This machine's; 0 for any that is free.
            host: This machine's address to listen on. Others than 127.0.0.1 let in whoever reaches them.

        Raises:
            LocalPortError: This machine does not give that port.
            InvalidArgument: It is no port.
        """

        async def open() -> PortForward:
            local = _arguments.port("local_port", local_port, least=0)
            return self._open(_arguments.port("port", port), local, host)

        return Opening(open)

    async def close(self) -> None:
        """Take them all from this machine."""
        for forward in list(self._forwards):
            await forward.close()

    def _open(self, port: int, local_port: int, host: str) -> PortForward:
        self._transport.check_loop()
        if not self._transport.wanted:
            raise NotConnected("not connected: call connect() first")
        opened = PortForward(self._transport, port, listen(host, local_port), self._forget)
        self._forwards.add(opened)
        return opened

    def _forget(self, closed: PortForward) -> None:
        self._forwards.discard(closed)
        if self._shared.get(closed.port) is closed:
            del self._shared[closed.port]
