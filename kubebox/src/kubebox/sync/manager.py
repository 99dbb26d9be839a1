"""`kubebox.manager` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kubebox._backend import Network
from kubebox._listing import SandboxInfo
from kubebox.manager import Kubebox as AsyncKubebox
from kubebox.sync._kept import KubeboxNetworkPolicy, KubeboxSecret
from kubebox.sync._pods import KubeboxPod
from kubebox.sync._services import KubeboxService
from kubebox.sync._share import Share
from kubebox.sync._wrapper import Wrapper


class Kubebox(Wrapper[AsyncKubebox]):
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
        self._inner = AsyncKubebox(
            config, terraform_path=terraform_path, namespace=namespace, private_key=private_key
        )
        self._share = Share()

    @property
    def where(self) -> str:
        """Where sandboxes run: `local`, or the context of the cluster."""
        return self._inner.where

    @property
    def outlived(self) -> bool:
        """Whether sandboxes live on when this program ends, until their lifetime is over."""
        return self._inner.outlived

    @property
    def private_key(self) -> str:
        """The private key in use, as PEM text.

        Raises:
            KeyInvalid: It is not an Ed25519 private key, or others can read its file.
            KeyMissing: Its file is not there, or cannot be made.
        """
        return self._inner.private_key

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
        """Create a sandbox. It starts at once; failures show when it is waited for.

        The same name again gives the same pod; with another specification, waiting for it raises `PodConflict`.

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
        return KubeboxPod._of(
            self._share,
            self._inner.create_pod(
                name,
                namespace=namespace,
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
                kubebox_public_key_secret_name=kubebox_public_key_secret_name,
                kubebox_public_key_key=kubebox_public_key_key,
                roots=roots,
            ),
        )

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
        return KubeboxService._of(
            self._share,
            self._inner.create_service(
                name, namespace=namespace, username=username, ports=ports, allowed_ips=allowed_ips
            ),
        )

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
        return KubeboxSecret._of(self._share, self._inner.create_secret(name, data, namespace=namespace))

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
        return KubeboxNetworkPolicy._of(
            self._share, self._inner.create_network_policy(name, namespace=namespace, allowed_ips=allowed_ips)
        )

    def get_all_pods(self, namespace: str | None = None) -> list[KubeboxPod]:
        """The sandboxes that have not ended: in a cluster all of the namespace, else those that this Kubebox created.

        Args:
            namespace: Instead of Kubebox's own.
        """
        return [
            KubeboxPod._of(self._share, one) for one in self._share.call(self._inner.get_all_pods(namespace))
        ]

    def get_all_sandboxes(self, namespace: str | None = None, *, ended: bool = False) -> list[SandboxInfo]:
        """Your sandboxes, oldest first: in a cluster those that this key has made, on this machine those of this program.

        Args:
            namespace: Instead of Kubebox's own.
            ended: Also those that have ended; a cluster remembers them for an hour, this machine does not.
        """
        return self._share.call(self._inner.get_all_sandboxes(namespace, ended=ended))

    def get_all_services(self, namespace: str | None = None) -> list[KubeboxService]:
        """The services that have not been destroyed: in a cluster all of the namespace, else those that this Kubebox created.

        Args:
            namespace: Instead of Kubebox's own.
        """
        return [
            KubeboxService._of(self._share, one)
            for one in self._share.call(self._inner.get_all_services(namespace))
        ]

    def collect_garbage(self, namespace: str | None = None) -> list[str]:
        """Remove sandboxes of the namespace that have ended or expired, with everything of them; also done at the first use.

        Args:
            namespace: Instead of Kubebox's own.

        Returns:
            What was removed, as `kind/name`.
        """
        return self._share.call(self._inner.collect_garbage(namespace))

    def destroy_all(self) -> None:
        """Destroy every sandbox that this Kubebox created, in a cluster too, and close it. Again does nothing."""
        self._inner.destroy_all()

    def close(self) -> None:
        """Let go of everything: local pods are destroyed, those in a cluster live on. Again does nothing."""
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
