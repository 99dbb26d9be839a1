"""`Kubebox`: makes sandboxes, wherever they run, and the services that lead to them."""

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kubebox._backend import Access, Backend, Network, PodSpecification
from kubebox._background import Background, join
from kubebox._pods import DEFAULT_TIMEOUT, Key, KubeboxPod, Registry
from kubebox._services import KubeboxService
from kubebox._specification import check_name, check_namespace, check_secret, read_specification
from kubebox.errors import ConfigurationError, InvalidArgument, NotSupported
from kubebox.keys import PrivateKey, resolve_private_key

CONFIG_VARIABLE: Final = "KUBEBOX_CONFIG"


class Kubebox:
    """Makes sandboxes.

    Args:
        config: Where: `"local"` is this machine; nothing means `$KUBEBOX_CONFIG`. This version runs only
            `"local"`.
        terraform_path: For clusters.
        namespace: Where pods and services lie unless they say otherwise.
        private_key: PEM text, a path, or nothing: then `$KUBEBOX_PRIVATE_KEY`, then the key in the user's
            config folder, which is made at first use. Sandboxes get its public half.

    Raises:
        ConfigurationError: The config is of a kind that this version does not run.
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
        self._secrets: dict[Key, dict[str, str]] = {}
        self._registry = Registry(_choose_backend(config, terraform_path), Background())
        # At the program's end, too: destroying what is left takes a moment, and leaves no work to the
        # supervisors alone.
        self._finalizer = weakref.finalize(self, self._registry.close)

    @property
    def where(self) -> str:
        """Where sandboxes run."""
        return "local"

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
        kubebox_public_key_secret_name: str | None = None,
        kubebox_public_key_key: str | None = None,
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
            kubebox_public_key_secret_name: A secret that holds the public key of who may call, instead of the
                caller's own.
            kubebox_public_key_key: The entry in that secret.

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
            key_secret=kubebox_public_key_secret_name,
            key_entry=kubebox_public_key_key,
        )
        return self._registry.create(specification, lambda: self._access(specification))

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
        key = (check_namespace(namespace or self.namespace), check_name(name))
        service = self._services.get(key)
        if service is None or not service.asks_for(ports, allowed_ips):
            service = self._services[key] = KubeboxService(
                self._registry, key, ports=ports, allowed_ips=allowed_ips
            )
        return service

    def create_secret(self, name: str, data: Mapping[str, str], *, namespace: str | None = None) -> None:
        """Keep values that commands see as variables, and nobody else. Later pods get what was given last.

        Args:
            name: To name in `create_pod(secrets=[…])`.
            data: Variables and their values.
            namespace: The pods'.

        Raises:
            InvalidArgument: A name that no variable can have.
        """
        self._secrets[check_namespace(namespace or self.namespace), check_name(name)] = check_secret(data)

    def create_network_policy(
        self, name: str, *, namespace: str | None = None, allowed_ips: Sequence[str] | None = None
    ) -> None:
        """Make a network policy in a cluster.

        Args:
            name: The policy's.
            namespace: Where.
            allowed_ips: Who may connect.

        Raises:
            NotSupported: Always: the local backend has none.
        """
        raise NotSupported(
            'local sandboxes have no network policies: create_pod(network="none") chooses what one reaches',
            option="create_network_policy",
        )

    async def get_all_pods(self, namespace: str | None = None) -> list[KubeboxPod]:
        """The pods that this Kubebox created and that have not ended.

        Args:
            namespace: Instead of Kubebox's own.
        """
        return self._registry.pods_in(check_namespace(namespace or self.namespace))

    async def get_all_services(self, namespace: str | None = None) -> list[KubeboxService]:
        """The services that this Kubebox created and that have not been destroyed.

        Args:
            namespace: Instead of Kubebox's own.
        """
        wanted = check_namespace(namespace or self.namespace)
        return [one for one in self._services.values() if one.namespace == wanted and not one.destroyed]

    def close(self) -> None:
        """Destroy all local pods and wait until nothing of them is left. Again does nothing."""
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
        await join(self._registry.destroy_all(), DEFAULT_TIMEOUT)
        self.close()

    def _resolved_key(self) -> PrivateKey:
        with self._lock:
            if self._key is None:
                self._key = resolve_private_key(self._given_key)
            return self._key

    def _access(self, specification: PodSpecification) -> Access:
        namespace = specification.namespace
        entries: dict[str, str] = {}
        for name in specification.secrets:
            entries |= self._secret(namespace, name)
        if specification.key_secret is None:
            return Access(public_keys=self._resolved_key().public_pem, secrets=entries)
        name, entry = specification.key_secret
        keys = self._secret(namespace, name).get(entry)
        if keys is None:
            raise InvalidArgument(f"secret {name!r} has no entry {entry!r} with a public key")
        return Access(public_keys=keys, secrets=entries)

    def _secret(self, namespace: str, name: str) -> dict[str, str]:
        try:
            return self._secrets[namespace, name]
        except KeyError:
            raise InvalidArgument(
                f"there is no secret {name!r} in {namespace!r}; create_secret() makes one"
            ) from None


def _choose_backend(
    config: str | Path | Mapping[str, Any] | None, terraform_path: str | Path | None
) -> Backend:
    chosen = config if config is not None else os.environ.get(CONFIG_VARIABLE)
    if terraform_path is not None or not isinstance(chosen, str) or chosen.strip() != "local":
        raise ConfigurationError(
            f'this version runs only Kubebox("local"), or ${CONFIG_VARIABLE}=local: on this machine; '
            "clusters come later"
        )
    from kubebox.local.backend import LocalBackend  # only here: it needs modules that only Linux has

    return LocalBackend()
