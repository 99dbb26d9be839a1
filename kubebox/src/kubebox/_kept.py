"""What stands beside pods: secrets, and policies that let clients in."""

from collections.abc import Mapping

from kubebox._background import join
from kubebox._pods import DEFAULT_TIMEOUT, Key, Registry


class KubeboxSecret:
    """Variables that are kept for pods.

    Attributes:
        name: Its name.
        namespace: Where it lies.
    """

    def __init__(self, registry: Registry, key: Key, data: Mapping[str, str]) -> None:
        self.namespace, self.name = key
        self._registry = registry
        self._kept = registry.background.submit(registry.backend.keep_secret(*key, data))

    async def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until it is kept. Pods that name it wait by themselves.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: It cannot be.
            TimeoutError: It took longer.
        """
        await join(self._kept, timeout)

    async def destroy(self) -> None:
        """Forget it; what pods have of it they keep. Again does nothing."""
        await join(
            self._registry.background.submit(self._registry.backend.drop_secret(self.namespace, self.name))
        )

    def __repr__(self) -> str:
        return f"KubeboxSecret({self.name!r}, namespace={self.namespace!r})"


class KubeboxNetworkPolicy:
    """Who may reach a sandbox's server.

    Attributes:
        name: The pod's name.
        namespace: Where it lies.
    """

    def __init__(self, registry: Registry, key: Key, allowed_ips: tuple[str, ...] | None) -> None:
        self.namespace, self.name = key
        self._registry = registry
        self._made = registry.background.submit(registry.backend.admit(*key, allowed_ips))

    async def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until Kubernetes has it.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: It cannot be; `NotSupported` where there are no policies.
            TimeoutError: It took longer.
        """
        await join(self._made, timeout)

    async def destroy(self) -> None:
        """Let nobody come any more. Again does nothing."""
        await join(self._registry.background.submit(self._registry.backend.shut(self.namespace, self.name)))

    def __repr__(self) -> str:
        return f"KubeboxNetworkPolicy({self.name!r}, namespace={self.namespace!r})"
