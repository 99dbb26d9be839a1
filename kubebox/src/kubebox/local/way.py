"""The way to a local sandbox: its own address, on this machine alone."""

import ipaddress
from collections.abc import Sequence

from kubebox._backend import FindPod, ServiceSpecification
from kubebox.errors import InvalidArgument, NotSupported


class LocalWay:
    """A service that was asked for.

    Args:
        specification: What was asked for.
        find_pod: Waits for the pod, and gives its server's address.
    """

    def __init__(self, specification: ServiceSpecification, find_pod: FindPod) -> None:
        self._ports = specification.ports
        self._allowed_ips = specification.allowed_ips
        self._find_pod = find_pod

    async def address(self, access: str, timeout: float | None) -> str:
        """See `Way`."""
        if access != "auto":
            raise NotSupported(
                f'a local sandbox is reached at its own address alone: access="auto", not {access!r}'
            )
        if self._ports:
            raise NotSupported(
                "a local sandbox's server chooses its port by itself; leave ports out", option="ports"
            )
        check_allowed_addresses(self._allowed_ips)
        return await self._find_pod(timeout)

    async def allow(self, allowed_ips: tuple[str, ...] | None) -> None:
        """See `Way`."""
        check_allowed_addresses(allowed_ips)
        self._allowed_ips = allowed_ips

    async def close(self) -> None:
        """See `Way`."""


def check_allowed_addresses(allowed_ips: Sequence[str] | None) -> None:
    """A local sandbox is reachable from this machine alone, which anything narrower would shut out.

    Raises:
        InvalidArgument: Not an address or a network.
        NotSupported: This machine is not among them.
    """
    if allowed_ips is None:
        return
    try:
        networks = [ipaddress.ip_network(address, strict=False) for address in allowed_ips]
    except ValueError as error:
        raise InvalidArgument(f"allowed_ips: {error}") from None
    here = ipaddress.ip_address("127.0.0.1")
    if not any(here in network for network in networks):
        raise NotSupported(
            "a local sandbox can be reached from this machine alone, so allowed_ips must include "
            "127.0.0.1: leave it out"
        )
