"""Which API server, and as whom: what a kubeconfig comes down to. Secrets are in no `repr`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Pem: TypeAlias = bytes | Path
"""Certificates or a key, or the file with them, which may be renewed meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A program that gives credentials.

    Attributes:
        api_version: The form of its answer, `client.authentication.k8s.io/v1` for instance.
        command: The program: a name to be sought in PATH, or an absolute path.
        arguments: Its arguments.
        environment: What is added to its environment.
        install_hint: How to get it, for the message when it is missing.
        cluster: What it is told of the cluster; `None` where it does not want to know.
        place: Where it is written down, for messages.
    """

    api_version: str
    command: str
    arguments: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    install_hint: str = ""
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class User:
    """Who asks. Several of these may be given: a certificate is shown besides a token.

    Attributes:
        token: A bearer token.
        token_file: A file with one that is renewed; it counts more than `token`.
        username: For basic authentication, with `password`.
        password: See `username`.
        certificate: The client's certificate, with its chain.
        key: The certificate's key.
        plugin: A program that gives a token or a certificate; it counts where neither is given otherwise.
        impersonate: Headers that say whose rights to use instead.
    """

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    certificate: Pem | None = field(default=None, repr=False)
    key: Pem | None = field(default=None, repr=False)
    plugin: Plugin | None = None
    impersonate: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """An API server and who asks it.

    Attributes:
        server: Its URL, without a slash at the end; it may have a path.
        context: The kubeconfig's context; `in-cluster` inside a pod.
        namespace: The context's namespace.
        source: Where all this is written down, for messages.
        authority: The certificates that vouch for the server, as PEM; `None` for those of the system.
        verify: Whether the server has to prove who it is.
        tls_server_name: The name that it has to prove, where that is not the URL's.
        proxy: The URL of a proxy on the way; `None` for what the environment says, empty for none.
        user: Who asks.
    """

    server: str
    context: str = ""
    namespace: str = "default"
    source: str = ""
    authority: bytes | None = field(default=None, repr=False)
    verify: bool = True
    tls_server_name: str = ""
    proxy: str | None = field(default=None, repr=False)  # its URL may hold a password
    user: User = field(default_factory=User)
