"""The place "a Kubernetes cluster", behind the same protocol as this machine."""

import asyncio
import base64
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, cast

from kubebox._backend import FindPod, OwnKeys, PodSpecification, ServiceSpecification
from kubebox._listing import SandboxInfo
from kubebox.cluster.body import Build, ClusterBody
from kubebox.cluster.configuration import Configuration
from kubebox.cluster.creation import KEY_ENTRY, Making, allowance, build, check_profile, reserve
from kubebox.cluster.listing import find, list_sandboxes
from kubebox.cluster.mirror import Mirror
from kubebox.cluster.sweep import sweep
from kubebox.cluster.translate import translated
from kubebox.cluster.way import ClusterWay, admit, shut
from kubebox.errors import InvalidArgument, KubeboxError
from kubebox.local.resources import Resources
from kubebox_cluster import names, policies
from kubebox_cluster.api import Api
from kubebox_cluster.errors import AdmissionRefused, NotFound, QuotaExceeded
from kubebox_cluster.kinds import PODS, SECRETS, SERVICES
from kubebox_cluster.quantities import never_fits
from kubebox_cluster.specification import DEFAULT_ROOTS, Amounts, Specification
from kubebox_cluster.verdict import ended
from kubebox_protocol.keys import read_public_keys, thumbprint

PAUSE_SECONDS: Final = (0.5, 3.0)
"""Seconds between two tries while a pod is refused for something that passes: the bounds of a random pause, so that many who wait
do not come at once."""

NAMESPACE_ACCOUNTS: Final = "ServiceAccount"
"""The admission plugin that refuses pods of a namespace so new that its default account is not there yet."""


class ClusterBackend:
    """Sandboxes in a cluster.

    Args:
        configuration: Which one, and the image of the sandboxes' server.

    Attributes:
        where: The kubeconfig's context.
        outlived: They live on when the program ends, until their lifetime is over.
    """

    outlived = True

    def __init__(self, configuration: Configuration) -> None:
        self.where = configuration.target.context
        self._image = configuration.image
        self._closed = configuration.closed
        self._api = Api(configuration.target)
        self._mirrors: dict[str, Mirror] = {}
        self._bodies: set[ClusterBody] = set()
        self._secrets: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._sweeps: dict[str, asyncio.Task[None]] = {}

    async def start(self, specification: PodSpecification, own_keys: OwnKeys) -> ClusterBody:
        """See `Backend`."""

        async def make(making: Making) -> Mapping[str, Any]:
            return await self._make(specification, own_keys, making)

        self._sweep_once(specification.namespace)
        return self._body(specification.namespace, specification.name, make)

    async def open(self, specification: ServiceSpecification, find_pod: FindPod) -> ClusterWay:
        """See `Backend`."""
        way = ClusterWay(self._api, specification.namespace, specification.name, find_pod)
        try:
            await way.open(specification)
        except BaseException:  # cancellation too: a load balancer that nobody knows of costs money
            with contextlib.suppress(KubeboxError):
                await way.close()
            raise
        return way

    async def keep_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """See `Backend`."""
        task = asyncio.create_task(self._keep_secret(namespace, name, data), name=f"kubebox: secret {name}")
        self._secrets[namespace, name] = task
        await asyncio.shield(task)

    async def drop_secret(self, namespace: str, name: str) -> None:
        """See `Backend`."""
        if self._secrets.pop((namespace, name), None) is None:
            return  # Not of this program.
        with translated(f"delete secret {name!r}"):
            try:
                await self._api.delete(SECRETS, name, namespace)
            except NotFound:
                return

    async def admit(self, namespace: str, name: str, allowed_ips: tuple[str, ...] | None) -> None:
        """See `Backend`."""
        await admit(self._api, namespace, name, allowed_ips)

    async def shut(self, namespace: str, name: str) -> None:
        """See `Backend`."""
        await shut(self._api, namespace, name)

    async def pods(self, namespace: str) -> Mapping[str, Callable[[], ClusterBody]]:
        """See `Backend`."""
        with translated(f"list pods in {namespace!r}"):
            found = (await self._api.list(PODS, namespace, labels=names.selector())).items
        return {
            pod["metadata"]["name"]: partial(self._found, namespace, pod) for pod in found if not ended(pod)
        }

    async def sandboxes(self, namespace: str, own_keys: OwnKeys, *, ended: bool) -> Sequence[SandboxInfo]:
        """See `Backend`."""
        holder = _thumbprint(await asyncio.to_thread(own_keys))
        return await list_sandboxes(self._api, namespace, holder, with_ended=ended)

    async def find(
        self, namespace: str, name: str, own_keys: OwnKeys
    ) -> tuple[SandboxInfo, Callable[[], ClusterBody]]:
        """See `Backend`."""
        holder = _thumbprint(await asyncio.to_thread(own_keys))
        info, pod = await find(self._api, namespace, name, holder)
        return info, partial(self._found, namespace, pod)

    async def services(self, namespace: str) -> Mapping[str, ClusterWay]:
        """See `Backend`."""
        with translated(f"list services in {namespace!r}"):
            found = (await self._api.list(SERVICES, namespace, labels=names.selector())).items
        return {
            service["metadata"]["name"]: ClusterWay(
                self._api, namespace, service["metadata"]["name"], None, service["metadata"]["uid"]
            )
            for service in found
        }

    async def collect(self, namespace: str) -> list[str]:
        """Sweep what has expired in a namespace; see `sweep`."""
        return await sweep(self._api, namespace)

    async def close(self) -> None:
        """See `Backend`. The sandboxes live on."""
        for body in tuple(self._bodies):
            await body.leave()
        for task in (*self._sweeps.values(), *self._secrets.values()):
            task.cancel()
        for mirror in self._mirrors.values():
            await mirror.close()
        await self._api.close()

    def _found(self, namespace: str, pod: Mapping[str, Any]) -> ClusterBody:
        async def give(making: Making) -> Mapping[str, Any]:
            return pod

        metadata = pod["metadata"]
        return self._body(namespace, metadata["name"], give, found=str(metadata["uid"]))

    def _body(self, namespace: str, name: str, build: Build, *, found: str | None = None) -> ClusterBody:
        mirror = self._mirrors.setdefault(namespace, Mirror(self._api, namespace))
        body = ClusterBody(self._api, mirror, namespace, name, build, found=found, left=self._bodies.discard)
        self._bodies.add(body)
        return body

    async def _make(
        self, specification: PodSpecification, own_keys: OwnKeys, making: Making
    ) -> Mapping[str, Any]:
        namespace = specification.namespace
        with translated(f"read namespace {namespace!r}"):
            labels = await allowance(self._api, namespace)
        wanted = _specification(specification, self._image, labels)
        check_profile(wanted, labels)
        _check_network(wanted, self._closed)
        keys = "" if specification.key_secret else await asyncio.to_thread(own_keys)
        for name in specification.secrets:
            if (kept := self._secrets.get((namespace, name))) is not None:
                await asyncio.shield(kept)
        record = making.record = await reserve(self._api, wanted, _holder(keys, wanted), making)
        while True:
            try:
                return await build(self._api, wanted, making, record, keys, self._closed)
            except KubeboxError as error:
                waits = _passing(error.__cause__)
                if waits is None:
                    raise
                making.waits = waits
            await asyncio.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - nothing secret

    async def _keep_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        manifest: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": {names.MANAGED: "kubebox"}},
            "type": "Opaque",
            "data": {entry: base64.b64encode(value.encode()).decode() for entry, value in data.items()},
        }
        with translated(f"create secret {name!r} in {namespace!r}"):
            await self._api.patch(SECRETS, name, namespace, manifest, how="apply", force=False)

    def _sweep_once(self, namespace: str) -> None:
        if namespace not in self._sweeps:
            task = asyncio.create_task(self._sweep_quietly(namespace), name=f"kubebox: sweep {namespace}")
            self._sweeps[namespace] = task

    async def _sweep_quietly(self, namespace: str) -> None:
        try:
            await sweep(self._api, namespace)
        except KubeboxError:
            # Whoever creates a pod did not ask for this; what they asked for says by itself what is wrong.
            return


def _specification(asked: PodSpecification, image: str, labels: Mapping[str, str]) -> Specification:
    resources = Resources.read(asked.resources)
    return Specification(
        name=asked.name,
        namespace=asked.namespace,
        server_image=image,
        image=asked.image,
        username=asked.username,
        ports=asked.ports,
        env=asked.env,
        secrets=asked.secrets,
        key_secret=asked.key_secret or (names.keys_secret(asked.name), KEY_ENTRY),
        amounts=Amounts(cpu=resources.cpu, memory=resources.memory, disk=resources.disk),
        lifetime=asked.lifetime,
        network=_network(asked),
        profile=cast("Literal['restricted', 'root']", asked.profile),
        runtime_class=asked.runtime_class,
        pod=asked.pod,
        roots=asked.roots or DEFAULT_ROOTS,
        metadata=asked.metadata,
        canary=labels.get(names.ALLOW_OPEN_NETWORK) != names.ALLOWED,
    )


def _network(asked: PodSpecification) -> Literal["none", "internet"] | tuple[str, ...]:
    network = asked.network
    if isinstance(network, str):
        return "internet" if network == "internet" else "none"  # what else there is was refused before
    try:
        return tuple(policies.networks(network))
    except ValueError as error:
        raise InvalidArgument(f"network: {error}") from None


def _check_network(specification: Specification, closed: Sequence[str]) -> None:
    try:
        policies.egress(specification, {}, closed)
    except ValueError as error:
        raise InvalidArgument(f"network: {error}") from None


def _passing(refused: BaseException | None) -> str | None:
    """What a refusal waits for; `None` where waiting cannot help."""
    match refused:
        case QuotaExceeded() if not never_fits(refused.requested, refused.limited):
            return f"the namespace's quota is used up: {refused.message}"
        case AdmissionRefused() if refused.by == NAMESPACE_ACCOUNTS:
            return f"the namespace is still being set up: {refused.message}"
        case _:
            return None


def _holder(keys: str, specification: Specification) -> str:
    if not keys:
        return "secret " + "/".join(specification.key_secret)
    return _thumbprint(keys)


def _thumbprint(keys: str) -> str:
    return thumbprint(read_public_keys(keys)[0])
