"""Services: a load balancer's address, or where none shows itself, a tunnel's through the API server."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from kubebox._backend import FindPod, ServiceSpecification
from kubebox.cluster.creation import own
from kubebox.cluster.translate import translated
from kubebox.errors import InvalidArgument, NotSupported, PodConflict, PodFailed, PodNotReady
from kubebox_cluster import lease, names, policies
from kubebox_cluster.api import Api
from kubebox_cluster.errors import Conflict, NotFound
from kubebox_cluster.kinds import EVENTS, LEASES, NETWORK_POLICIES, SERVICES
from kubebox_cluster.status import entries, section
from kubebox_cluster.watch import follow

AUTO, LOAD_BALANCER, TUNNEL = "auto", "load-balancer", "tunnel"

SHOW_SECONDS: Final = 10.0
"""Seconds in which a load balancer's controller has to show itself, by an address or by an event. Clouds' do within one or two,
although the address takes minutes."""

HTTP_PORT: Final = 80


class ClusterWay:
    """A Service.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: Its name, which is the pod's.
        find_pod: Gives the address of the pod's tunnel; `None` where the pod is not followed by this program.
        uid: The Service's, where that was found.
    """

    def __init__(
        self, api: Api, namespace: str, name: str, find_pod: FindPod | None, uid: str | None = None
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._find_pod = find_pod
        self._uid = uid
        self._nobody_balances = False

    async def open(self, specification: ServiceSpecification) -> None:
        """Make the Service, and let in who may come.

        Raises:
            KubeboxError: Kubernetes refuses.
        """
        with translated(f"create service {self._name!r} in {self._namespace!r}"):
            await self._refuse_another()
            await _let_in(self._api, self._namespace, self._name, specification.allowed_ips)
            manifest = _service(specification)
            made = await self._api.patch(SERVICES, self._name, self._namespace, manifest, how="apply")
            self._uid = made["metadata"]["uid"]
            await _belong(self._api, self._namespace, self._name)

    async def address(self, access: str, timeout: float | None) -> str:
        """See `Way`."""
        if access not in (AUTO, LOAD_BALANCER, TUNNEL):
            raise NotSupported(f'access is "{AUTO}", "{LOAD_BALANCER}" or "{TUNNEL}", not {access!r}')
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        if access == LOAD_BALANCER or (access == AUTO and not self._nobody_balances):
            found = await self._balanced(insist=access == LOAD_BALANCER, timeout=timeout)
            if found is not None:
                return found
        if self._find_pod is None:
            raise NotSupported(
                f"service {self._name!r} has no load balancer, and its pod is not followed here: "
                "get_all_pods() finds it, and create_service() then leads through a tunnel"
            )
        return await self._find_pod(None if deadline is None else max(0.0, deadline - loop.time()))

    async def allow(self, allowed_ips: tuple[str, ...] | None) -> None:
        """See `Way`."""
        await admit(self._api, self._namespace, self._name, allowed_ips)
        patch = {
            "spec": {"loadBalancerSourceRanges": None if allowed_ips is None else _networks(allowed_ips)}
        }
        with translated(f"change service {self._name!r}"), contextlib.suppress(NotFound):
            await self._api.patch(SERVICES, self._name, self._namespace, patch)

    async def close(self) -> None:
        """See `Way`."""
        if self._uid is None:
            return  # It never was.
        with translated(f"delete service {self._name!r}"), contextlib.suppress(NotFound, Conflict):
            await self._api.delete(SERVICES, self._name, self._namespace, uid=self._uid)
        await shut(self._api, self._namespace, self._name)

    async def _refuse_another(self) -> None:
        with contextlib.suppress(NotFound):
            found = await self._api.get(SERVICES, self._name, self._namespace)
            if section(found, "metadata", "labels").get(names.SANDBOX) != self._name:
                raise PodConflict(
                    f"there is a Service {self._name!r} in {self._namespace!r} that is not Kubebox's; take another name"
                )

    async def _balanced(self, *, insist: bool, timeout: float | None) -> str | None:
        shown = asyncio.timeout(None if insist else SHOW_SECONDS)
        try:
            async with asyncio.timeout(timeout):
                try:
                    async with shown, contextlib.aclosing(self._changes()) as changes:
                        async for service in changes:
                            if (found := _address(service)) is not None:
                                return found
                            if not insist and await self._is_worked_on(service):
                                shown.reschedule(None)
                except TimeoutError:
                    if not shown.expired():
                        raise
                    self._nobody_balances = True  # Who asks again need not wait again.
        except TimeoutError:
            raise PodNotReady(
                f"service {self._name!r} got no address from a load balancer within {timeout:g} s; it goes on waiting"
            ) from None
        return None

    async def _changes(self) -> AsyncGenerator[Mapping[str, Any]]:
        with translated(f"watch service {self._name!r}"):
            fields = f"metadata.name={self._name}"
            async with contextlib.aclosing(
                follow(self._api, SERVICES, self._namespace, fields=fields)
            ) as changes:
                async for change in changes:
                    if change.type == "gone":
                        raise PodFailed(f"service {self._name!r} was deleted; create_service() makes another")
                    yield change.object

    async def _is_worked_on(self, service: Mapping[str, Any]) -> bool:
        metadata = service["metadata"]
        if any("load-balancer" in one for one in metadata.get("finalizers") or ()):
            return True
        fields = f"involvedObject.uid={metadata['uid']}"
        with translated(f"read the events of service {self._name!r}"):
            return bool((await self._api.list(EVENTS, self._namespace, fields=fields)).items)


async def admit(api: Api, namespace: str, name: str, allowed_ips: tuple[str, ...] | None) -> None:
    """Let networks come to a sandbox's server, and nobody else.

    Args:
        api: The cluster.
        namespace: Where it lies.
        name: The sandbox's.
        allowed_ips: Addresses and networks; `None` for anyone.

    Raises:
        InvalidArgument: Not an address or a network.
        KubeboxError: Kubernetes refuses.
    """
    with translated(f"let clients reach sandbox {name!r}"):
        await _let_in(api, namespace, name, allowed_ips)
        await _belong(api, namespace, name)


async def shut(api: Api, namespace: str, name: str) -> None:
    """Let nobody come to a sandbox's server any more."""
    with translated(f"close sandbox {name!r}"), contextlib.suppress(NotFound):
        await api.delete(NETWORK_POLICIES, names.ingress_policy(name), namespace)


async def _let_in(api: Api, namespace: str, name: str, allowed_ips: tuple[str, ...] | None) -> None:
    policy = policies.ingress(name, namespace, None if allowed_ips is None else _networks(allowed_ips))
    await api.patch(NETWORK_POLICIES, policy["metadata"]["name"], namespace, policy, how="apply")


async def _belong(api: Api, namespace: str, name: str) -> None:
    with contextlib.suppress(NotFound):  # The pod may come later, and takes it then.
        record = lease.read(await api.get(LEASES, name, namespace))
        if record.verdict is None:  # Else it is that of the one before, and goes.
            await own(api, name, record)


def _service(specification: ServiceSpecification) -> dict[str, Any]:
    ports = specification.ports or (HTTP_PORT,)
    spec: dict[str, Any] = {
        "type": "LoadBalancer",
        "selector": {names.SANDBOX: specification.name},
        "ports": [
            {"name": f"port-{port}", "port": port, "targetPort": names.SERVER_PORT, "protocol": "TCP"}
            for port in ports
        ],
        # So that `allowed_ips` sees the real client.
        "externalTrafficPolicy": "Local",
        # A sandbox whose workspace restarts can still be asked why.
        "publishNotReadyAddresses": True,
    }
    if specification.allowed_ips is not None:
        spec["loadBalancerSourceRanges"] = _networks(specification.allowed_ips)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": specification.name,
            "labels": names.labels(specification.name, specification.username),
        },
        "spec": spec,
    }


def _address(service: Mapping[str, Any]) -> str | None:
    given = entries(section(service, "status", "loadBalancer"), "ingress")
    if not given:
        return None
    host = str(given[0].get("ip") or given[0].get("hostname") or "")
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            host = f"[{host}]"
    port = entries(section(service, "spec"), "ports")[0]["port"]
    return host if port == HTTP_PORT else f"{host}:{port}"


def _networks(allowed_ips: Sequence[str]) -> list[str]:
    try:
        return policies.networks(allowed_ips)
    except ValueError as error:
        raise InvalidArgument(f"allowed_ips: {error}") from None
