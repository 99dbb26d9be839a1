"""Services: how clients reach a pod's server."""

from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Literal

from kubebox._backend import ServiceSpecification, Way
from kubebox._background import Background, join
from kubebox._pods import DEFAULT_TIMEOUT, Key, Registry
from kubebox.errors import KubeboxError, PodFailed, PodNotReady


class KubeboxService:
    """The way to a pod's server.

    Attributes:
        name: Its name, which is the pod's.
        namespace: Where it lies.
        destroyed: Whether `destroy` was called.
    """

    def __init__(
        self,
        key: Key,
        specification: ServiceSpecification | None,
        opening: Coroutine[Any, Any, Way],
        background: Background,
    ) -> None:
        self.namespace, self.name = key
        self.destroyed = False
        self._specification = specification
        self._background = background
        self._way: Future[Way] = background.submit(opening)

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
        """The address that clients connect to; with the port, unless that is 80.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.
            access: How to come in. `"auto"` is a local sandbox's own address, and in a cluster its load balancer's, or where
                none shows itself within 10 seconds, a tunnel's on this machine; `"load-balancer"` and `"tunnel"` insist.

        Raises:
            KubeboxError: As `wait_until_ready`.
        """
        if self.destroyed:
            raise PodFailed(f"service {self.name!r} was destroyed; create_service() makes another")
        way = await self._opened(timeout)
        return await join(self._background.submit(way.address(access, timeout)))

    async def update_network_policy(self, allowed_ips: list[str] | tuple[str, ...] | None) -> None:
        """Change who may connect.

        Args:
            allowed_ips: Addresses and networks; `None` for anyone.

        Raises:
            InvalidArgument: Not an address or a network.
            NotSupported: This place cannot hold to that; a local sandbox is reached from this machine alone.
        """
        way = await self._opened(DEFAULT_TIMEOUT)
        allowed = None if allowed_ips is None else tuple(allowed_ips)
        await join(self._background.submit(way.allow(allowed)))
        if self._specification is not None:
            self._specification = replace(self._specification, allowed_ips=allowed)

    async def destroy(self) -> None:
        """Close the way; the pod goes on. Again does nothing."""
        self.destroyed = True
        try:
            way = await self._opened(DEFAULT_TIMEOUT)
        except KubeboxError:
            return  # It never was: what could not be opened was closed at once.
        await join(self._background.submit(way.close()))

    def asks_for(self, specification: ServiceSpecification) -> bool:
        """Whether it was created to be just this, and still is."""
        return not self.destroyed and self._specification == specification

    def __repr__(self) -> str:
        return f"KubeboxService({self.name!r}, namespace={self.namespace!r})"

    async def _opened(self, timeout: float | None) -> Way:
        try:
            return await join(self._way, timeout)
        except TimeoutError as error:
            if self._way.done():
                raise  # a KubeboxError that is a TimeoutError too
            raise PodNotReady(f"service {self.name!r} was not made within {timeout:g} s") from error


def forget_service(services: dict[Key, KubeboxService], key: Key) -> None:
    """Take a service for destroyed, since its pod was, and it with it.

    Args:
        services: Those that are known; it leaves them.
        key: The pod's namespace and name.
    """
    service = services.pop(key, None)
    if service is not None:
        service.destroyed = True


async def find_address(registry: Registry, key: Key, timeout: float | None) -> str:
    """Wait for the pod of a service, which may be created meanwhile, and give its server's address.

    Raises:
        PodNotReady: None of its name was created in time.
        KubeboxError: It is not there, and why.
    """
    try:
        pod = await join(registry.find(key), timeout)
    except TimeoutError as error:
        raise PodNotReady(
            f"service {key[1]!r} leads to no pod: none of this name was created within {timeout:g} s"
        ) from error
    return await pod.address(timeout)
