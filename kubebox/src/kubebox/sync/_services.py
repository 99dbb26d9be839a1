"""`kubebox._services` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from typing import Literal

from kubebox._pods import DEFAULT_TIMEOUT
from kubebox._services import KubeboxService as AsyncKubeboxService
from kubebox.sync._wrapper import Wrapper


class KubeboxService(Wrapper[AsyncKubeboxService]):
    """The way to a pod's server.

    Attributes:
        name: Its name, which is the pod's.
        namespace: Where it lies.
        destroyed: Whether `destroy` was called.
    """

    @property
    def name(self) -> str:
        """Its name, which is the pod's."""
        return self._inner.name

    @property
    def namespace(self) -> str:
        """Where it lies."""
        return self._inner.namespace

    @property
    def destroyed(self) -> bool:
        """Whether `destroy` was called."""
        return self._inner.destroyed

    def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until clients can come through.

        Args:
            timeout: Seconds; `None` to wait as long as it takes. The pod may be created in that time.

        Raises:
            PodNotReady: It took longer, or there is no pod of this name.
            PodFailed: The pod could not start or has ended, or the service was destroyed.
            NotSupported: It asks for what this place does not have.
        """
        self._share.call(self._inner.wait_until_ready(timeout))

    def get_external_ip(
        self, timeout: float | None = DEFAULT_TIMEOUT, access: Literal["auto"] | str = "auto"
    ) -> str:
        """The address that clients connect to; with the port, unless that is 80.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.
            access: How to come in. `"auto"` is a local sandbox's own address, and in a cluster its load balancer's, or where
                none shows itself within 10 seconds, a tunnel's on this machine; `"load-balancer"` and `"tunnel"` insist.

        Raises:
            KubeboxError: As `wait_until_ready`.
        """
        return self._share.call(self._inner.get_external_ip(timeout, access))

    def update_network_policy(self, allowed_ips: list[str] | tuple[str, ...] | None) -> None:
        """Change who may connect.

        Args:
            allowed_ips: Addresses and networks; `None` for anyone.

        Raises:
            InvalidArgument: Not an address or a network.
            NotSupported: This place cannot hold to that; a local sandbox is reached from this machine alone.
        """
        self._share.call(self._inner.update_network_policy(allowed_ips))

    def destroy(self) -> None:
        """Close the way; the pod goes on. Again does nothing."""
        self._share.call(self._inner.destroy())
