"""`Kubebox`: makes sandboxes, wherever they run, and the services that lead to them."""

import asyncio
import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kubebox._backend import Network, ServiceSpecification, Way
from kubebox._background import Background, join
from kubebox._kept import KubeboxNetworkPolicy, KubeboxSecret
from kubebox._listing import SandboxInfo
from kubebox._places import choose_backend
from kubebox._pods import DEFAULT_TIMEOUT, Key, KubeboxPod, Registry
from kubebox._services import KubeboxService, find_address, forget_service
from kubebox._specification import check_name, check_namespace, check_secret, read_specification
from kubebox.keys import PrivateKey, resolve_private_key


class Kubebox:
    """Makes sandboxes.

    Args:
        config: Where: `"local"` is this machine, a kubeconfig (path, YAML text, base64 of it, or a dict) a cluster.
            Nothing means `$KUBEBOX_CONFIG`, then the default kubeconfig, then the cluster that this program runs in.
        terraform_path: A folder whose OpenTofu or Terraform outputs say the rest: `kubeconfig`, where no config is given,
            and `sandbox_image`, which `$KUBEBOX_IMAGE` overrides.
        namespace: Where pods and services lie unless they say otherwise. Neither a kubeconfig's nor that of the program's
            own pod is guessed.
        private_key: PEM text, a path, or nothing: then `$KUBEBOX_PRIVATE_KEY`, then the key in the user's
            config folder, which is made at first use. Sandboxes get its public half.

    Raises:
        ConfigurationError: There is no such config, or it cannot be used, and why.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | None = None,
        *,
        terraform_path: str | Path | None = None,
        namespace: str = "default",
        private_key: str | Path | None = None,
    ) -> None:
        self.namespace = check_namespace(namespace)
        self._given_key = private_key
        self._key: PrivateKey | None = None
        self._lock = threading.Lock()
        self._services: dict[Key, KubeboxService] = {}
        backend = choose_backend(config, terraform_path)
        # A cluster's services go with their pods; a local one leads to whatever pod has its name.
        services = self._services if backend.outlived else {}
        self._registry = Registry(backend, Background(), partial(forget_service, services))
        # At the program's end, too: destroying what is left takes a moment, and leaves no work to the
        # supervisors alone.
        self._finalizer = weakref.finalize(self, self._registry.close)

    @property
    def where(self) -> str:
        """Where sandboxes run: `local`, or the context of the cluster."""
        return self._registry.backend.where

    @property
    def outlived(self) -> bool:
        """Whether sandboxes live on when this program ends, until their lifetime is over."""
        return self._registry.backend.outlived

    @property
    def private_key(self) -> str:
        """The private key in use, as PEM text.

        Raises:
            KeyInvalid: It is not an Ed25519 private key, or others can read its file.
            KeyMissing: Its file is not there, or cannot be made.
        """
        return self._resolved_key().pem

    def create_pod(
        self,
        name: str,
        *,
        namespace: str | None = None,
        image: str | None = None,
        username: str | None = None,
        ports: Sequence[int] | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] | None = None,
        resources: Any = None,
        lifetime: float | None = None,
        network: Network = "none",
        profile: str = "restricted",
        runtime_class: str | None = None,
        pod: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        kubebox_public_key_secret_name: str | None = None,
        kubebox_public_key_key: str | None = None,
        roots: Sequence[str] | None = None,
    ) -> KubeboxPod:
        """Create a sandbox. It starts at once, with or without a running loop; failures show when awaited.

        The same name again gives the same pod; with another specification, awaiting it raises `PodConflict`.

        Args:
            name: A DNS label: small letters, digits and hyphens, at most 63.
            namespace: Instead of Kubebox's own.
            image: The workspace's image; clusters only.
            username: Whose it is; part of what makes a pod the same.
            ports: Ports that the workspace opens; clusters only.
            env: Variables of every command.
            secrets: Names given to `create_secret`; their entries are variables of every command and are
                nowhere else.
            resources: `Resources`, or a dict of its fields.
            lifetime: Seconds until it ends by itself; an hour unless given.
            network: `"none"`, `"internet"` for public addresses alone, or a list of networks (clusters only).
            profile: `"restricted"`, or `"root"` (clusters only).
            runtime_class: Of Kubernetes; clusters only.
            pod: A partial Pod that is merged last; clusters only.
            metadata: What it is known by in `get_all_sandboxes`: at most 32 entries, names of at most 128 bytes, values of
                at most 1,024. No secrets: who may list sandboxes reads them.
            kubebox_public_key_secret_name: A secret that holds the public key of who may call, instead of the
                caller's own.
            kubebox_public_key_key: The entry in that secret.
            roots: Folders beneath which sessions may lie, the first for relative ones; `/workspace` unless given;
                clusters only.

        Raises:
            InvalidArgument: A name or a value that no place would take.
        """
        specification = read_specification(
            name=name,
            namespace=namespace or self.namespace,
            image=image,
            username=username,
            ports=ports,
            env=env,
            secrets=secrets,
            resources=resources,
            lifetime=lifetime,
            network=network,
            profile=profile,
            runtime_class=runtime_class,
            pod=pod,
            metadata=metadata,
            key_secret=kubebox_public_key_secret_name,
            key_entry=kubebox_public_key_key,
            roots=roots,
        )
        return self._registry.create(specification, self._own_keys)

    def create_service(
        self,
        name: str,
        *,
        namespace: str | None = None,
        username: str | None = None,
        ports: Sequence[int] | None = None,
        allowed_ips: Sequence[str] | None = None,
    ) -> KubeboxService:
        """Open a sandbox's server to clients. The pod of the same name may come before or after.

        Args:
            name: The pod's.
            namespace: The pod's.
            username: Whose it is; for clusters.
            ports: The server's port; clusters only.
            allowed_ips: Addresses and networks that may connect; anyone where not given.

        Raises:
            InvalidArgument: A name that no place would take.
        """
        specification = ServiceSpecification(
            name=check_name(name),
            namespace=check_namespace(namespace or self.namespace),
            username=username,
            ports=tuple(ports or ()),
            allowed_ips=None if allowed_ips is None else tuple(allowed_ips),
        )
        key = specification.namespace, specification.name
        with self._lock:  # Two threads that ask for the same get the same.
            service = self._services.get(key)
            gone = self._registry.backend.outlived and self._registry.has_ended(
                key
            )  # and its service with it
            if service is None or gone or not service.asks_for(specification):
                registry = self._registry
                opening = registry.backend.open(specification, partial(find_address, registry, key))
                service = KubeboxService(key, specification, opening, registry.background)
                self._services[key] = service
            return service

    def create_secret(
        self, name: str, data: Mapping[str, str], *, namespace: str | None = None
    ) -> KubeboxSecret:
        """Keep values that commands see as variables, and nobody else. Later pods get what was given last.

        Args:
            name: To name in `create_pod(secrets=[…])`.
            data: Variables and their values.
            namespace: The pods'.

        Raises:
            InvalidArgument: A name that no variable can have.
        """
        return KubeboxSecret(
            self._registry,
            (check_namespace(namespace or self.namespace), check_name(name)),
            check_secret(data),
        )

    def create_network_policy(
        self, name: str, *, namespace: str | None = None, allowed_ips: Sequence[str] | None = None
    ) -> KubeboxNetworkPolicy:
        """Let clients reach a sandbox's server without a load balancer: those inside the cluster, or behind an ingress.

        Args:
            name: The pod's.
            namespace: The pod's.
            allowed_ips: Addresses and networks that may connect; anyone where not given.

        Raises:
            InvalidArgument: A name that no place would take.
        """
        return KubeboxNetworkPolicy(
            self._registry,
            (check_namespace(namespace or self.namespace), check_name(name)),
            None if allowed_ips is None else tuple(allowed_ips),
        )

    async def get_all_pods(self, namespace: str | None = None) -> list[KubeboxPod]:
        """The sandboxes that have not ended: in a cluster all of the namespace, else those that this Kubebox created.

        Args:
            namespace: Instead of Kubebox's own.
        """
        wanted, registry = check_namespace(namespace or self.namespace), self._registry
        found = await join(registry.background.submit(registry.backend.pods(wanted)))
        for name, follow in found.items():
            registry.adopt((wanted, name), follow)
        return registry.pods_in(wanted)

    async def get_all_sandboxes(
        self, namespace: str | None = None, *, ended: bool = False
    ) -> list[SandboxInfo]:
        """Your sandboxes, oldest first: in a cluster those that this key has made, on this machine those of this program.

        Args:
            namespace: Instead of Kubebox's own.
            ended: Also those that have ended; a cluster remembers them for an hour, this machine does not.
        """
        wanted, registry = check_namespace(namespace or self.namespace), self._registry
        found = registry.backend.sandboxes(wanted, self._own_keys, ended=ended)
        return list(await join(registry.background.submit(found)))

    async def find_pod(self, name: str, namespace: str | None = None) -> tuple[KubeboxPod, SandboxInfo]:
        """A sandbox of a cluster that is there already, whatever program of this key has made it. Nothing is created.

        Args:
            name: Its name.
            namespace: Instead of Kubebox's own.

        Raises:
            NotSupported: Local sandboxes belong to the program that made them.
            SandboxNotFound: There is none of this name that this key has made.
            SandboxLost: It has ended; `verdict` says how.
        """
        key, registry = (check_namespace(namespace or self.namespace), check_name(name)), self._registry
        info, follow = await join(registry.background.submit(registry.backend.find(*key, self._own_keys)))
        return registry.adopt(key, follow), info

    async def get_all_services(self, namespace: str | None = None) -> list[KubeboxService]:
        """The services that have not been destroyed: in a cluster all of the namespace, else those that this Kubebox created.

        Args:
            namespace: Instead of Kubebox's own.
        """
        wanted, registry = check_namespace(namespace or self.namespace), self._registry
        found = await join(registry.background.submit(registry.backend.services(wanted)))
        for name, way in found.items():
            known = self._services.get((wanted, name))
            if known is None or known.destroyed:
                self._services[wanted, name] = KubeboxService(
                    (wanted, name), None, _given(way), registry.background
                )
        known_now = list(self._services.values())  # at once: other threads may add to them
        return [one for one in known_now if one.namespace == wanted and not one.destroyed]

    async def collect_garbage(self, namespace: str | None = None) -> list[str]:
        """Remove sandboxes of the namespace that have ended or expired, with everything of them; also done at the first use.

        Args:
            namespace: Instead of Kubebox's own.

        Returns:
            What was removed, as `kind/name`.
        """
        wanted, registry = check_namespace(namespace or self.namespace), self._registry
        return await join(registry.background.submit(registry.backend.collect(wanted)))

    def destroy_all(self) -> None:
        """Destroy every sandbox that this Kubebox created, in a cluster too, and close it. Again does nothing."""
        if self._registry.background.started:
            try:
                self._registry.destroy_all().result(DEFAULT_TIMEOUT)
            finally:
                self.close()

    def close(self) -> None:
        """Let go of everything: local pods are destroyed, those in a cluster live on. Again does nothing."""
        self._finalizer()

    def __repr__(self) -> str:
        return f"Kubebox({self.where!r}, namespace={self.namespace!r})"

    def __enter__(self) -> "Kubebox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Kubebox":
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if not self._registry.backend.outlived:
                await join(self._registry.destroy_all(), DEFAULT_TIMEOUT)
        finally:  # On a thread: it goes on even where whoever leaves is cancelled.
            await asyncio.to_thread(self.close)

    def _own_keys(self) -> str:
        return self._resolved_key().public_pem

    def _resolved_key(self) -> PrivateKey:
        with self._lock:
            if self._key is None:
                self._key = resolve_private_key(self._given_key)
            return self._key


async def _given(way: Way) -> Way:
    return way
