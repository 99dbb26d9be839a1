"""Services: how clients reach a pod's server."""

from collections.abc import Sequence
from typing import Literal

from kubebox._background import join
from kubebox._pods import DEFAULT_TIMEOUT, Key, KubeboxPod, Registry
from kubebox.errors import NotSupported, PodFailed, PodNotReady


class KubeboxService:
    """The way to a pod's server.

    Attributes:
        name: Its name, which is the pod's.
        namespace: Where it lies.
        destroyed: Whether `destroy` was called.
    """

    def __init__(
        self, registry: Registry, key: Key, *, ports: Sequence[int] | None, allowed_ips: Sequence[str] | None
    ) -> None:
        self.namespace, self.name = key
        self.destroyed = False
        self._registry = registry
        self._ports = tuple(ports or ())
        self._allowed_ips = None if allowed_ips is None else tuple(allowed_ips)

    async def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until clients can come through.

        Args:
            timeout: Seconds; `None` to wait as long as it takes. The pod may be created in that time.

        Raises:
            PodNotReady: It took longer, or there is no pod of this name.
            PodFailed: The pod could not start or has ended, or the service was destroyed.
            NotSupported: It asks for what this place does not have.
        """
        await self.get_external_ip(timeout)

    async def get_external_ip(
        self, timeout: float | None = DEFAULT_TIMEOUT, access: Literal["auto"] | str = "auto"
    ) -> str:
        """The address that clients connect to: `127.0.0.1:PORT` of a local sandbox.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.
            access: How to come in; `"auto"` is the only way to a local sandbox.

        Raises:
            KubeboxError: As `wait_until_ready`.
        """
        if access != "auto":
            raise NotSupported(
                f'a local sandbox is reached at its own address alone: access="auto", not {access!r}'
            )
        if self._ports:
            raise NotSupported(
                "a local sandbox's server chooses its port by itself; leave ports out", option="ports"
            )
        if self.destroyed:
            raise PodFailed(f"service {self.name!r} was destroyed; create_service() makes another")
        self._registry.backend.check_allowed_addresses(self._allowed_ips)
        pod = await self._pod(timeout)
        return await pod.address(timeout)

    async def update_network_policy(self, allowed_ips: Sequence[str] | None) -> None:
        """Change who may connect.

        Args:
            allowed_ips: Addresses and networks; `None` for anyone.

        Raises:
            InvalidArgument: Not an address or a network.
            NotSupported: This place cannot hold to that; a local sandbox is reached from this machine alone.
        """
        self._registry.backend.check_allowed_addresses(allowed_ips)
        self._allowed_ips = None if allowed_ips is None else tuple(allowed_ips)

    async def destroy(self) -> None:
        """Close the way; the pod goes on. Again does nothing."""
        self.destroyed = True

    def asks_for(self, ports: Sequence[int] | None, allowed_ips: Sequence[str] | None) -> bool:
        """Whether it was created to be just this, and still is."""
        allowed = None if allowed_ips is None else tuple(allowed_ips)
        return not self.destroyed and self._ports == tuple(ports or ()) and self._allowed_ips == allowed

    def __repr__(self) -> str:
        return f"KubeboxService({self.name!r}, namespace={self.namespace!r})"

    async def _pod(self, timeout: float | None) -> KubeboxPod:
        try:
            return await join(self._registry.find((self.namespace, self.name)), timeout)
        except TimeoutError as error:
            raise PodNotReady(
                f"service {self.name!r} leads to no pod: none of this name was created within {timeout:g} s"
            ) from error
