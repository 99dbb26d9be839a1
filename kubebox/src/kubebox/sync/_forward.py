"""`kubebox._forward` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from typing import Self

from kubebox._forward import PortForward as AsyncPortForward
from kubebox.errors import KubeboxError
from kubebox.sync._wrapper import Wrapper


class PortForward(Wrapper[AsyncPortForward]):
    """A port of the workspace on this machine; `with` closes it, and so does the end of its sandbox.

    Whoever may connect to the port on this machine, be it another user's program, reaches the workspace's while it is open.

    Attributes:
        port: The workspace's port.
        local_port: This machine's.
        url: `http://127.0.0.1:PORT`. Any protocol over TCP goes the same way.
    """

    @property
    def port(self) -> int:
        """The workspace's port."""
        return self._inner.port

    @property
    def local_port(self) -> int:
        """This machine's."""
        return self._inner.local_port

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`. Any protocol over TCP goes the same way."""
        return self._inner.url

    def refused(self) -> KubeboxError:
        """Wait for the next connection that goes nowhere, and give the reason; whoever connected only sees that it breaks off.

        Raises:
            NotConnected: It is closed.
        """
        return self._share.call(self._inner.refused())

    def close(self) -> None:
        """Listen no more, and end what is connected. Again does nothing."""
        self._share.call(self._inner.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
