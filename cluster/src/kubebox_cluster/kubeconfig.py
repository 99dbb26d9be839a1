"""From a kubeconfig to a target: the same rules as kubectl's, and a precise word where something is wrong."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from kubebox_cluster.errors import ConfigInvalid
from kubebox_cluster.sections import Section
from kubebox_cluster.sources import Config, Kubeconfig, read_default, read_given
from kubebox_cluster.target import Plugin, Target, User

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's credentials."""

PLUGIN_GROUP: Final = "client.authentication.k8s.io"
PLUGIN_VERSIONS: Final = tuple(f"{PLUGIN_GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))

PLUGIN_EXTENSION: Final = "client.authentication.k8s.io/exec"
"""The cluster's extension that is meant for the plugin, and passed to it."""

SCHEMES: Final = ("http", "https")


def read_target(config: Config | None = None, *, context: str | None = None) -> Target:
    """Find the API server and the credentials for it. It reads files, so not on an event loop.

    Args:
        config: A kubeconfig: a path, YAML or JSON text, base64 of that, or a mapping. `None` for `$KUBECONFIG` (a list of
            paths), then `~/.kube/config`, then the pod that this runs in.
        context: The context's name; the current one by default.

    Raises:
        ConfigInvalid: There is none, or something in it is wrong or not supported; the message says what, and where.
    """
    found = read_default() if config is None else read_given(config)
    if found is not None:
        return _target(found, context)
    if context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster()
    raise ConfigInvalid(
        "no cluster: neither $KUBECONFIG nor ~/.kube/config is there, and this is not inside a pod; give a kubeconfig"
    )


def in_cluster(folder: Path = SERVICE_ACCOUNT) -> Target:
    """The API server of the cluster that this runs in, with the pod's ServiceAccount.

    Raises:
        ConfigInvalid: The pod has no credentials.
    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "") or "443"
    place = f"the ServiceAccount in {folder}"
    try:
        authority = (folder / "ca.crt").read_bytes()
        (folder / "token").read_bytes()
    except OSError as error:
        raise ConfigInvalid(
            f"{place}: cannot be read ({error.strerror}); this pod needs automountServiceAccountToken: true"
        ) from None
    try:
        namespace = (folder / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        namespace = ""
    return Target(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        context="in-cluster",
        namespace=namespace or "default",
        source=place,
        authority=authority,
        user=User(token_file=folder / "token"),
    )


def _target(found: Kubeconfig, wanted: str | None) -> Target:
    name = wanted or found.current
    if not name and len(found.contexts) == 1:
        name = next(iter(found.contexts))  # what else could be meant
    if not name:
        raise ConfigInvalid(
            f"{found.place}: current-context is not set; choose one of {_names(found.contexts)}"
        )
    context = _entry(found, found.contexts, "context", name)
    cluster = _entry(found, found.clusters, "cluster", context.text("cluster"))
    called = context.text("user")
    user = _user(_entry(found, found.users, "user", called), cluster) if called else User()
    verify = not cluster.flag("insecure-skip-tls-verify")
    authority = cluster.pem("certificate-authority")
    if authority is not None and not verify:
        raise cluster.invalid(
            "insecure-skip-tls-verify", "contradicts certificate-authority: keep one of the two"
        )
    return Target(
        server=_server(cluster),
        context=name,
        namespace=context.text("namespace") or "default",
        source=f"{found.place}, context {name}",
        authority=authority.read_bytes() if isinstance(authority, Path) else authority,
        verify=verify,
        tls_server_name=cluster.text("tls-server-name"),
        proxy=_proxy(cluster),
        user=user,
    )


def _entry(found: Kubeconfig, entries: Mapping[str, Section], kind: str, name: str) -> Section:
    if name in entries:
        return entries[name]
    what = f"no {kind} is named {name!r}" if name else f"the context names no {kind}"
    raise ConfigInvalid(f"{found.place}: {what}; there is {_names(entries)}")


def _names(entries: Mapping[str, Section]) -> str:
    return ", ".join(sorted(entries)) or "none"


def _server(cluster: Section) -> str:
    server = cluster.text("server").rstrip("/")
    if not server:
        raise cluster.invalid("server", "is missing")
    if not _is_address(server):
        raise cluster.invalid("server", "is no address: it has to look like https://HOST:PORT")
    if urlsplit(server).username is not None:
        raise cluster.invalid("server", "holds a password: that belongs to the user's part")
    return server


def _proxy(cluster: Section) -> str | None:
    proxy = cluster.text("proxy-url")
    if proxy and not _is_address(proxy):
        problem = "is not of the form http://HOST:PORT; other proxies are not supported"
        raise cluster.invalid("proxy-url", problem)
    return proxy or None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _user(user: Section, cluster: Section) -> User:
    if user.values.get("auth-provider") is not None:
        raise user.invalid(
            "auth-provider",
            "is no longer supported by Kubernetes: use the exec plugin of your cloud (exec) instead",
        )
    token, token_file, username = user.text("token"), user.file("tokenFile"), user.text("username")
    if username and (token or token_file):
        raise user.invalid("username", "contradicts token: keep one of the two")
    if token_file is not None:
        user.content("tokenFile", token_file)
    certificate, key = user.pem("client-certificate"), user.pem("client-key")
    if (certificate is None) != (key is None):
        missing = "client-certificate" if certificate is None else "client-key"
        raise user.invalid(missing, "is missing: a certificate and its key go together")
    return User(
        token=token,
        token_file=token_file,
        username=username,
        password=user.text("password"),
        certificate=certificate,
        key=key,
        plugin=_plugin(user, cluster),
        impersonate=_impersonate(user),
    )


def _impersonate(user: Section) -> tuple[tuple[str, str], ...]:
    if not user.text("as"):
        return ()
    headers = [("Impersonate-User", user.text("as"))]
    if user.text("as-uid"):
        headers.append(("Impersonate-Uid", user.text("as-uid")))
    headers += [("Impersonate-Group", group) for group in user.texts("as-groups")]
    extra = user.section("as-user-extra")
    if extra is not None:
        for name in extra.values:
            headers += [(f"Impersonate-Extra-{quote(name, safe='')}", value) for value in extra.texts(name)]
    return tuple(headers)


def _plugin(user: Section, cluster: Section) -> Plugin | None:
    section = user.section("exec")
    if section is None:
        return None
    version, command = section.text("apiVersion"), section.text("command")
    if version not in PLUGIN_VERSIONS:
        raise section.invalid("apiVersion", f"is none of {', '.join(PLUGIN_VERSIONS)}")
    if not command:
        raise section.invalid("command", "is missing")
    if section.text("interactiveMode") == "Always":
        raise section.invalid(
            "interactiveMode", "is Always: a plugin that needs a terminal cannot be used here"
        )
    if os.sep in command:
        command = str(section.folder / command)
    environment = {entry.text("name"): entry.text("value") for entry in section.sections("env")}
    if "" in environment:
        raise section.invalid("env", "has an entry without a name")
    return Plugin(
        api_version=version,
        command=command,
        arguments=tuple(section.texts("args")),
        environment=environment,
        install_hint=section.text("installHint").strip(),
        cluster=_cluster_info(cluster) if section.flag("provideClusterInfo") else None,
        place=section.place,
    )


def _cluster_info(cluster: Section) -> dict[str, Any]:
    authority = cluster.pem("certificate-authority")
    content = authority.read_bytes() if isinstance(authority, Path) else authority
    info: dict[str, Any] = {
        "server": cluster.text("server"),
        "tls-server-name": cluster.text("tls-server-name"),
        "insecure-skip-tls-verify": cluster.flag("insecure-skip-tls-verify"),
        "certificate-authority-data": base64.b64encode(content).decode() if content else "",
        "proxy-url": cluster.text("proxy-url"),
    }
    for extension in cluster.sections("extensions"):
        if extension.text("name") == PLUGIN_EXTENSION:
            info["config"] = extension.values.get("extension")
    return {name: value for name, value in info.items() if value}
