"""Names that Kubebox gives to objects, and the labels and annotations by which it finds them again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

PREFIX: Final = "kubebox.dev/"

SANDBOX: Final = f"{PREFIX}sandbox"
"""Label: the sandbox that an object belongs to. Nothing ever changes it, since policies select by it."""

USER: Final = f"{PREFIX}user"
"""Label: whose the sandbox is."""

MANAGED: Final = "app.kubernetes.io/managed-by"
"""Label of everything that Kubebox makes: `kubebox`. (Kubernetes' recommended labels.)"""

SPECIFICATION: Final = f"{PREFIX}specification"
"""Annotation of the Lease: a digest of what was asked for, by which the same request is known again."""

EXPIRES: Final = f"{PREFIX}expires"
"""Annotation of the Lease: Unix time, seconds, after which the sandbox and everything of it may be swept."""

VERDICT: Final = f"{PREFIX}verdict"
"""Annotation of the Lease: how the sandbox ended, as JSON."""

METADATA: Final = f"{PREFIX}metadata"
"""Annotation of the Lease: what the sandbox is known by in lists, a JSON object of texts."""

BODY: Final = f"{PREFIX}body"
"""Annotation of the Lease: the uid of the pod that is the sandbox."""

ROOTS: Final = f"{PREFIX}roots"
"""Annotation of the pod: the folders beneath which sessions may lie, separated by commas."""

NETWORK: Final = f"{PREFIX}network"
"""Annotation of the pod: what it may reach, in words."""

ALLOW_ROOT: Final = f"{PREFIX}root-profile"
"""Label of a namespace, `allowed`: its operator lets pods of profile `root` run without a stronger wall."""

ALLOW_OPEN_NETWORK: Final = f"{PREFIX}open-network"
"""Label of a namespace, `allowed`: its operator knows that NetworkPolicy is not enforced there."""

ALLOWED: Final = "allowed"
DEFAULT_DENY: Final = "kubebox-default-deny"
"""The NetworkPolicy of a namespace that closes every sandbox in it."""

SERVICE_ACCOUNT: Final = "default"
SERVER: Final = "server"
WORKSPACE: Final = "workspace"
SEED: Final = "seed"
"""The containers of a pod."""

SERVER_PORT: Final = 8080


def labels(name: str, username: str | None = None) -> dict[str, str]:
    """The labels of everything that belongs to a sandbox.

    Args:
        name: The sandbox's.
        username: Whose it is.
    """
    found = {MANAGED: "kubebox", SANDBOX: name}
    if username is not None:
        found[USER] = username
    return found


def selector(name: str | None = None) -> str:
    """A label selector for what belongs to one sandbox, or to any."""
    return SANDBOX if name is None else f"{SANDBOX}={name}"


def keys_secret(name: str) -> str:
    """The Secret that holds the public keys of who may call."""
    return f"{name}-kubebox-keys"


def egress_policy(name: str) -> str:
    """The NetworkPolicy that says what a sandbox may reach."""
    return f"{name}-kubebox-egress"


def ingress_policy(name: str) -> str:
    """The NetworkPolicy that says who may reach a sandbox's server."""
    return f"{name}-kubebox-ingress"


def digest(content: Mapping[str, Any]) -> str:
    """A digest of plain content, the same wherever it is made."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
