"""`kubebox._ports` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from kubebox._ports import LOOPBACK, WAIT_SECONDS
from kubebox._ports import SandboxPorts as AsyncSandboxPorts
from kubebox.sync._forward import PortForward
from kubebox.sync._wrapper import Wrapper


class SandboxPorts(Wrapper[AsyncSandboxPorts]):
    """A sandbox's ports: those on its own 127.0.0.1 or ::1, whatever its network allows. Nothing needs to be opened for them."""

    def wait(self, port: int, *, timeout: float = WAIT_SECONDS) -> None:
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
        self._share.call(self._inner.wait(port, timeout=timeout))

    def url(self, port: int) -> str:
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
        return self._share.call(self._inner.url(port))

    def forward(self, port: int, local_port: int = 0, *, host: str = LOOPBACK) -> PortForward:
        """Put a port of the sandbox on a port of this machine; enter it with `with`.

        Args:
            port: The port, in the sandbox.
            local_port: This machine's; 0 for any that is free.
            host: This machine's address to listen on. Others than 127.0.0.1 let in whoever reaches them.

        Raises:
            LocalPortError: This machine does not give that port.
            InvalidArgument: It is no port.
        """
        return PortForward._of(
            self._share, self._share.open(self._inner.forward(port, local_port, host=host))
        )

    def close(self) -> None:
        """Take them all from this machine."""
        self._share.call(self._inner.close())
