"""`kubebox._kept` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from kubebox._kept import KubeboxNetworkPolicy as AsyncKubeboxNetworkPolicy
from kubebox._kept import KubeboxSecret as AsyncKubeboxSecret
from kubebox._pods import DEFAULT_TIMEOUT
from kubebox.sync._wrapper import Wrapper


class KubeboxSecret(Wrapper[AsyncKubeboxSecret]):
    """Variables that are kept for pods.

    Attributes:
        name: Its name.
        namespace: Where it lies.
    """

    @property
    def name(self) -> str:
        """Its name."""
        return self._inner.name

    @property
    def namespace(self) -> str:
        """Where it lies."""
        return self._inner.namespace

    def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until it is there. Pods that name a secret wait for it by themselves.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: It cannot be; `NotSupported` where there is nothing of its kind.
            TimeoutError: It took longer.
        """
        self._share.call(self._inner.wait_until_ready(timeout))

    def destroy(self) -> None:
        """Forget it; what pods have of it they keep. Again does nothing."""
        self._share.call(self._inner.destroy())


class KubeboxNetworkPolicy(Wrapper[AsyncKubeboxNetworkPolicy]):
    """Who may reach a sandbox's server.

    Attributes:
        name: The pod's name.
        namespace: Where it lies.
    """

    @property
    def name(self) -> str:
        """The pod's name."""
        return self._inner.name

    @property
    def namespace(self) -> str:
        """Where it lies."""
        return self._inner.namespace

    def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until it is there. Pods that name a secret wait for it by themselves.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: It cannot be; `NotSupported` where there is nothing of its kind.
            TimeoutError: It took longer.
        """
        self._share.call(self._inner.wait_until_ready(timeout))

    def destroy(self) -> None:
        """Let nobody come any more. Again does nothing."""
        self._share.call(self._inner.destroy())
