"""The rights that making sandboxes needs, and what is missing without each."""

from dataclasses import dataclass
from typing import Final

from kubebox.cluster.doctor.findings import Finding, State
from kubebox_cluster.api import Api
from kubebox_cluster.kinds import EVENTS, LEASES, NAMESPACES, NETWORK_POLICIES, PODS, SECRETS, SERVICES, Kind


@dataclass(frozen=True)
class Right:
    """One resource, and what is done with it.

    Attributes:
        kind: The resource.
        verbs: What is done.
        subresource: With what part of it.
        without: What does not work without.
        needed: Whether nothing works without.
    """

    kind: Kind
    verbs: tuple[str, ...]
    without: str
    subresource: str = ""
    needed: bool = True

    @property
    def name(self) -> str:
        """As rules name it."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


RIGHTS: Final = (
    Right(
        LEASES, ("get", "list", "create", "patch", "delete"), "no sandbox can be recorded, so none is made"
    ),
    Right(PODS, ("get", "list", "watch", "create", "delete"), "no sandbox can be made and followed"),
    Right(PODS, ("patch",), "`set_timeout()` does not work", needed=False),
    Right(
        PODS, ("get", "create"), "no sandbox can be reached before its load balancer is there", "portforward"
    ),
    Right(PODS, ("get",), "`pod.logs()` is empty", "log", needed=False),
    Right(SECRETS, ("create", "patch", "delete"), "a sandbox cannot be given the keys of who may call"),
    Right(
        NETWORK_POLICIES,
        ("list", "create", "patch", "delete"),
        "no sandbox's network can be closed, so none is made",
    ),
    Right(
        SERVICES,
        ("get", "list", "watch", "create", "patch", "delete"),
        "`create_service()` does not work",
        needed=False,
    ),
    Right(EVENTS, ("list",), "an eviction may be told as a mere deletion", needed=False),
    Right(NAMESPACES, ("get",), 'profile="root" cannot be allowed by a label of the namespace', needed=False),
)
"""What `deploy/rbac/client.yaml` gives; a test holds the two together."""


async def examine_rights(api: Api, namespace: str) -> Finding:
    """Which of them are missing.

    Args:
        api: The cluster.
        namespace: Where sandboxes would be made.
    """
    missing: list[str] = []
    consequences: list[str] = []
    broken = False
    for right in RIGHTS:
        scope = namespace if right.kind.namespaced else None
        name = "" if right.kind.namespaced else namespace
        lacked = [
            verb
            for verb in right.verbs
            if not await api.may(verb, right.kind, scope, subresource=right.subresource, name=name)
        ]
        if lacked:
            missing.append(f"{','.join(lacked)} {right.name}")
            consequences.append(right.without)
            broken |= right.needed
    if not missing:
        return Finding("rights", State.GOOD, "all that sandboxes need")
    state = State.BROKEN if broken else State.LACKING
    return Finding("rights", state, f"missing: {'; '.join(missing)}", "; ".join(consequences))
