"""What stands beside pods: secrets, and policies that let clients in."""

from collections.abc import Coroutine, Mapping
from typing import Any

from kubebox._background import join
from kubebox._pods import DEFAULT_TIMEOUT, Key, Registry


class _Kept:
    def __init__(self, registry: Registry, key: Key, making: Coroutine[Any, Any, None]) -> None:
        self.namespace, self.name = key
        self._registry = registry
        self._made = registry.background.submit(making)

    async def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until it is there. Pods that name a secret wait for it by themselves.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: It cannot be; `NotSupported` where there is nothing of its kind.
            TimeoutError: It took longer.
        """
        await join(self._made, timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, namespace={self.namespace!r})"


class KubeboxSecret(_Kept):
    """Variables that are kept for pods.

    Attributes:
        name: Its name.
        namespace: Where it lies.
    """

    def __init__(self, registry: Registry, key: Key, data: Mapping[str, str]) -> None:
        super().__init__(registry, key, registry.backend.keep_secret(*key, data))

    async def destroy(self) -> None:
        """Forget it; what pods have of it they keep. Again does nothing."""
        await join(
            self._registry.background.submit(self._registry.backend.drop_secret(self.namespace, self.name))
        )


class KubeboxNetworkPolicy(_Kept):
    """Who may reach a sandbox's server.

    Attributes:
        name: The pod's name.
        namespace: Where it lies.
    """

    def __init__(self, registry: Registry, key: Key, allowed_ips: tuple[str, ...] | None) -> None:
        super().__init__(registry, key, registry.backend.admit(*key, allowed_ips))

    async def destroy(self) -> None:
        """Let nobody come any more. Again does nothing."""
        await join(self._registry.background.submit(self._registry.backend.shut(self.namespace, self.name)))
