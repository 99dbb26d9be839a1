"""Reading what callers give to `create_pod` and its like, before any place is asked."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from kubebox._backend import Network, PodSpecification
from kubebox._listing import check_metadata
from kubebox.errors import InvalidArgument
from kubebox.local.resources import Resources
from kubebox_protocol.limits import MAX_ENVIRONMENT_BYTES, MAX_TIMEOUT_SECONDS

DEFAULT_LIFETIME: Final = 3600.0
"""Seconds. A forgotten sandbox must go by itself; an hour covers what most agents do."""

_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
"""RFC 1123, as Kubernetes holds names to it."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""What shells can name, and Kubernetes takes for sure."""

_RESERVED: Final = ("KUBEBOX_", "KUBERNETES_")
"""Variables of the platform, which init keeps from commands."""


def check_name(name: str, *, what: str = "name") -> str:
    """Check a pod's name.

    Raises:
        InvalidArgument: It is not a DNS label.
    """
    if not isinstance(name, str) or not _LABEL.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        raise InvalidArgument(
            f"{what} {name!r}: small letters, digits and hyphens, at most 63, with no hyphen at either end"
        )
    return name


def check_namespace(namespace: str) -> str:
    """Check a namespace's name.

    Raises:
        InvalidArgument: It is not a DNS label.
    """
    return check_name(namespace, what="namespace")


def check_secret(data: Mapping[str, str]) -> dict[str, str]:
    """Check a secret's entries. Values are never quoted.

    Raises:
        InvalidArgument: A name that no variable can have, or a value that is no text.
    """
    return _check_variables("secret", data)


def read_specification(
    *,
    name: str,
    namespace: str,
    image: str | None,
    username: str | None,
    ports: Sequence[int] | None,
    env: Mapping[str, str] | None,
    secrets: Sequence[str] | None,
    resources: Any,
    lifetime: float | timedelta | None,
    network: Network,
    profile: str,
    runtime_class: str | None,
    pod: Mapping[str, Any] | None,
    metadata: Mapping[str, str] | None,
    key_secret: str | None,
    key_entry: str | None,
    roots: Sequence[str] | None,
) -> PodSpecification:
    """Check what no place would take, and give the rest its form; see `Kubebox.create_pod`.

    Raises:
        InvalidArgument: With the argument and what it should be.
    """
    if profile not in ("restricted", "root"):
        raise InvalidArgument(f'profile {profile!r}: it is "restricted" or "root"')
    if isinstance(network, str) and network not in ("none", "internet"):
        raise InvalidArgument(f'network {network!r}: it is "none", "internet" or a list of networks')
    if (key_secret is None) != (key_entry is None):
        raise InvalidArgument("kubebox_public_key_secret_name and kubebox_public_key_key belong together")
    return PodSpecification(
        name=check_name(name),
        namespace=check_namespace(namespace),
        image=image,
        username=username,
        ports=tuple(ports or ()),
        env=_check_variables("env", env or {}),
        secrets=tuple(check_name(secret, what="secret") for secret in secrets or ()),
        resources=Resources.read(resources),
        lifetime=_lifetime(lifetime),
        network=network if isinstance(network, str) else tuple(network),
        profile=profile,
        runtime_class=runtime_class,
        pod=pod,
        metadata=check_metadata(metadata),
        key_secret=(key_secret, key_entry) if key_secret is not None and key_entry is not None else None,
        roots=_roots(roots),
    )


def _roots(roots: Sequence[str] | None) -> tuple[str, ...]:
    given = tuple(roots or ())
    for root in given:
        if not root.startswith("/") or "," in root or "\0" in root:
            raise InvalidArgument(f"roots: {root!r} is not an absolute path without commas")
    return given


def _lifetime(lifetime: float | timedelta | None) -> float:
    if lifetime is None:
        return DEFAULT_LIFETIME
    seconds = lifetime.total_seconds() if isinstance(lifetime, timedelta) else lifetime
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise InvalidArgument(
            f"lifetime {seconds!r}: it is more than 0 and at most {MAX_TIMEOUT_SECONDS:g} seconds"
        )
    return float(seconds)


def _check_variables(what: str, variables: Mapping[str, str]) -> dict[str, str]:
    checked = dict(variables)
    for name, value in checked.items():
        if not _VARIABLE.fullmatch(name) or name.startswith(_RESERVED):
            raise InvalidArgument(
                f"{what}: {name!r} is no name for a variable, or one that Kubebox keeps for itself"
            )
        if not isinstance(value, str) or "\0" in value:  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
            raise InvalidArgument(f"{what}: the value of {name} is not text without NUL")
    size = sum(
        len(name.encode()) + len(value.encode(errors="surrogateescape")) + 2
        for name, value in checked.items()
    )
    if size > MAX_ENVIRONMENT_BYTES:
        raise InvalidArgument(
            f"{what}: {size} bytes of variables; at most {MAX_ENVIRONMENT_BYTES}", limit=MAX_ENVIRONMENT_BYTES
        )
    return checked
