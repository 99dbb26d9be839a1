"""NetworkPolicies: every sandbox is closed both ways before it exists; what opens it is said one by one."""

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

from kubebox_cluster import names
from kubebox_cluster.specification import Specification

Manifest = dict[str, Any]

NOT_PUBLIC_4: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
"""What the internet is not: this network, private ranges (RFC 1918), carriers' (RFC 6598), loopback, link-local with the metadata
services (RFC 3927), Azure's own (168.63.129.16), protocol assignments (RFC 6890), benchmarks (RFC 2544), multicast, reserved."""

NOT_PUBLIC_6: Final = ("::1/128", "2002::/16", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8")
"""The same for IPv6: loopback, 6to4 and NAT64 (which lead back to IPv4), unique local, link-local, multicast."""

METADATA: Final = (
    "100.100.100.200/32",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "fd00:ec2::/32",
    "fd20:ce::/32",
    "fe80::/10",
)
"""Where clouds keep the credentials of their machines: never reached, whatever a caller lists."""

ANYWHERE: Final = ("0.0.0.0/0", "::/0")


def default_deny(namespace: str) -> Manifest:
    """The policy that closes every sandbox of a namespace, by a label that nothing changes, and nobody else's pods."""
    return _policy(
        names.DEFAULT_DENY,
        namespace,
        {names.MANAGED: "kubebox"},
        {
            "podSelector": {"matchExpressions": [{"key": names.SANDBOX, "operator": "Exists"}]},
            "policyTypes": ["Ingress", "Egress"],
        },
    )


def egress(specification: Specification, owner: Manifest, closed: Sequence[str] = ()) -> Manifest | None:
    """What a sandbox may reach; nothing where it has no network.

    Args:
        specification: The sandbox.
        owner: An owner reference.
        closed: Networks that are never reached, such as those of nodes and of the API server.

    Raises:
        ValueError: A network that was asked for is never reached.
    """
    network = specification.network
    if network == "none":
        return None
    blocks = (
        [
            {"cidr": "0.0.0.0/0", "except": _within("0.0.0.0/0", [*NOT_PUBLIC_4, *closed])},
            {"cidr": "::/0", "except": _within("::/0", [*NOT_PUBLIC_6, *closed])},
        ]
        if network == "internet"
        else [_block(cidr, [*METADATA, *closed]) for cidr in network]
    )
    policy = _policy(
        names.egress_policy(specification.name),
        specification.namespace,
        names.labels(specification.name, specification.username),
        {
            "podSelector": {"matchLabels": {names.SANDBOX: specification.name}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": block} for block in blocks]}],
        },
    )
    policy["metadata"]["ownerReferences"] = [owner]
    return policy


def ingress(name: str, namespace: str, allowed: Sequence[str] | None) -> Manifest:
    """Who may reach a sandbox's server, and nothing else of it.

    Args:
        name: The sandbox's.
        namespace: Where it lies.
        allowed: Networks; `None` for anyone.
    """
    peers = [{"ipBlock": {"cidr": cidr}} for cidr in (ANYWHERE if allowed is None else allowed)]
    return _policy(
        names.ingress_policy(name),
        namespace,
        names.labels(name),
        {
            "podSelector": {"matchLabels": {names.SANDBOX: name}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers, "ports": [{"port": names.SERVER_PORT, "protocol": "TCP"}]}]
            if peers
            else [],
        },
    )


def networks(given: Sequence[str]) -> list[str]:
    """Addresses and networks as networks.

    Raises:
        ValueError: One is neither.
    """
    return [str(ipaddress.ip_network(one, strict=False)) for one in given]


def _block(cidr: str, closed: Sequence[str]) -> Manifest:
    inner = ipaddress.ip_network(cidr)
    for one in closed:
        outer = ipaddress.ip_network(one)
        if outer.version == inner.version and inner.subnet_of(outer):  # pyright: ignore[reportArgumentType]
            raise ValueError(f"{cidr} lies in {one}, which no sandbox reaches")
    excepted = _within(cidr, closed)
    return {"cidr": cidr, "except": excepted} if excepted else {"cidr": cidr}


def _within(cidr: str, closed: Sequence[str]) -> list[str]:
    # Kubernetes refuses an exception that lies outside of its block, or is all of it.
    outer = ipaddress.ip_network(cidr)
    inner = [ipaddress.ip_network(one) for one in closed]
    return sorted(
        {
            str(one)
            for one in inner
            if one.version == outer.version and one != outer and one.subnet_of(outer)  # pyright: ignore[reportArgumentType]
        }
    )


def _policy(name: str, namespace: str, labels: dict[str, str], spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }
