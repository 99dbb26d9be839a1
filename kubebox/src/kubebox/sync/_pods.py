"""`kubebox._pods` without `await`.

Made from it by scripts/generate_sync.py; what is changed here is lost.
"""

from collections.abc import Mapping

from kubebox._backend import Limit
from kubebox._pods import DEFAULT_TIMEOUT
from kubebox._pods import KubeboxPod as AsyncKubeboxPod
from kubebox.sync._wrapper import Wrapper
from kubebox_protocol.verdicts import Verdict


class KubeboxPod(Wrapper[AsyncKubeboxPod]):
    """A sandbox.

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

    @property
    def limits(self) -> Mapping[str, Limit]:
        """For each resource `value`, `enforced_by` and `note`. Empty until the pod is ready."""
        return self._inner.limits

    @property
    def identity(self) -> str | None:
        """The server's public identity key, base64, for `SandboxClient`; set when ready.

        A client that has it need not trust the first contact.
        """
        return self._inner.identity

    @property
    def phases(self) -> Mapping[str, float]:
        """Milliseconds from its start to each step of getting ready. Empty until the pod is ready."""
        return self._inner.phases

    @property
    def progress(self) -> str:
        """What it waits for, as a clause; empty where it waits for nothing.

        In a cluster also while its workspace is being restarted: how that ended, and how long Kubernetes waits.
        """
        return self._inner.progress

    def wait_until_ready(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until its server and its workspace answer.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            PodNotReady: It took longer; it goes on starting.
            PodConflict: A pod of this name was created with another specification.
            LocalUnavailable: This machine cannot run it.
            NotSupported: It asks for what this place does not have.
            PodFailed: It could not start, or has ended.
        """
        self._share.call(self._inner.wait_until_ready(timeout))

    def destroy(self) -> None:
        """End it and wait until nothing of it is left. Again does nothing.

        Raises:
            PodConflict: This never was the pod of its name: it asked for another specification. That pod lives on.
        """
        self._share.call(self._inner.destroy())

    def set_timeout(self, seconds: float) -> None:
        """Have it live for so long from now on, instead of what was left of its lifetime; see `Sandbox.set_timeout`.

        Args:
            seconds: More than 0, at most thirty days.

        Raises:
            NotSupported: In a cluster, it would live longer than before.
            SandboxLost: It has ended.
        """
        self._share.call(self._inner.set_timeout(seconds))

    def logs(self) -> str:
        """The newest of what its server said; also after its end."""
        return self._share.call(self._inner.logs())

    def verdict(self) -> Verdict | None:
        """How it ended; `None` while it lives."""
        return self._share.call(self._inner.verdict())

    def verdict_within(self, seconds: float) -> Verdict | None:
        """How it ended, waiting for an end that may be just coming; `None` where it lives on.

        Args:
            seconds: To wait at most.
        """
        return self._share.call(self._inner.verdict_within(seconds))

    def address(self, timeout: float | None = DEFAULT_TIMEOUT) -> str:
        """Wait until it is ready, and give its server's host and port.

        Args:
            timeout: Seconds; `None` to wait as long as it takes.

        Raises:
            KubeboxError: As `wait_until_ready`.
        """
        return self._share.call(self._inner.address(timeout))
