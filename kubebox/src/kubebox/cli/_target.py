"""Which sandbox a command means: flags, then the environment, then the user's file."""

import shlex
from dataclasses import dataclass
from typing import Final

from cyclopts import Parameter

from kubebox._where import LOCAL, Setting, find_setting, is_url
from kubebox.errors import ConfigurationError, InvalidArgument, NotSupported

NO_SANDBOX: Final = (
    "say which sandbox: --url URL, or --config KUBECONFIG --name NAME (`kubebox config` shows what holds)"
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Target:
    """Flags that say which sandbox is meant.

    Attributes:
        url: The address of a sandbox's server; $KUBEBOX_URL.
        config: A kubeconfig (path, YAML, base64 of it), or `local`; $KUBEBOX_CONFIG.
        name: The sandbox of this name in that cluster; $KUBEBOX_NAME.
        namespace: Where it lies in the cluster, `default` unless given; $KUBEBOX_NAMESPACE.
        session: The session whose commands and files are meant.
    """

    url: str | None = None
    config: str | None = None
    name: str | None = None
    namespace: str | None = None
    session: str | None = None

    def settings(self) -> tuple[Setting, Setting, Setting]:
        """Where, which one, and in which namespace: what holds, and why.

        Raises:
            InvalidArgument: Flags that exclude each other.
            ConfigurationError: The config file cannot be read.
        """
        if self.url and (self.config or self.name):
            raise InvalidArgument("--url is one sandbox already; it goes without --config and --name")
        if self.url and not is_url(self.url):
            raise InvalidArgument("--url: must look like http://HOST:PORT or https://HOST")
        where = find_setting("where", url=self.url, config=self.config)
        return (
            where,
            find_setting("name", name=self.name),
            find_setting("namespace", namespace=self.namespace),
        )

    def existing(self) -> tuple[str, str, str] | None:
        """The URL, or the cluster with name and namespace, of a sandbox that is there; nothing where none is meant.

        Raises:
            ConfigurationError: A name without a cluster.
        """
        where, name, namespace = self.settings()
        if is_url(where.value):
            if self.name:
                raise InvalidArgument(
                    f"--name needs a cluster, and {where.source} is the URL of one sandbox; give --config"
                )
            return where.value, "", ""
        if not name.value:
            return None
        if where.value == LOCAL:
            raise ConfigurationError(
                f"{name.source} names a sandbox in a cluster, and {where.source} says local; give --config KUBECONFIG"
            )
        return where.value, name.value, namespace.value

    def cluster(self) -> tuple[str, str]:
        """The cluster and the namespace, for what only clusters have.

        Raises:
            NotSupported: It is no cluster.
        """
        where, _, namespace = self.settings()
        if is_url(where.value):
            raise NotSupported(f"{where.source} is the URL of one sandbox; give --config KUBECONFIG")
        if where.value == LOCAL:
            raise NotSupported(
                "local sandboxes live no longer than the program that made them: `kubebox run` and `kubebox shell` "
                "make one for a command; for a cluster give --config KUBECONFIG"
            )
        return where.value, namespace.value

    def flags(self) -> str:
        """The flags as they were given, for a command line that means the same sandbox."""
        given = {
            "url": self.url,
            "config": self.config,
            "name": self.name,
            "namespace": self.namespace,
            "session": self.session,
        }
        return "".join(f" --{flag} {shlex.quote(value)}" for flag, value in given.items() if value)
