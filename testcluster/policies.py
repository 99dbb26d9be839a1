"""networking.k8s.io/v1 NetworkPolicy as nftables rules: a pure function of pods, policies and namespaces.

Pods have IPv4 addresses alone. A pod whose address the API has not published yet may neither send nor receive, so no
policy is ever late for its pod. Traffic of the node itself (kubelet's probes) is always allowed, as the specification says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from testcluster.kubernetes import Manifest

TABLE: Final = "inet networkpolicies"

FAR_END: Final = {"Ingress": "saddr", "Egress": "daddr"}
NEAR_END: Final = {"Ingress": "daddr", "Egress": "saddr"}
PEERS: Final = {"Ingress": "from", "Egress": "to"}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects what wears these labels.

    Args:
        selector: With `matchLabels` and `matchExpressions`; an empty one selects everything.
        labels: The object's.
    """
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(term, labels) for term in selector.get("matchExpressions") or ()
    )


def _holds(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(term["key"]), term.get("values") or ()
    match term["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


@dataclass(frozen=True)
class Rules:
    """The rules for what is there.

    Args:
        network: Pods' addresses.
        gateway: The node's among them.
        pods: All pods.
        policies: All policies.
        namespaces: All namespaces.
    """

    network: str
    gateway: str
    pods: Sequence[Manifest]
    policies: Sequence[Manifest]
    namespaces: Sequence[Manifest]

    def as_text(self) -> str:
        """All rules, for `nft -f -`: they replace those that were there, at once."""
        chains: list[str] = []
        jumps: list[str] = []
        for index, pod in enumerate(self._addressed()):
            for direction, near in NEAR_END.items():
                rules = self._chain(pod, direction)
                if rules is not None:
                    name = f"{direction.lower()}_{index}"
                    chains.append(f"chain {name} {{ {'; '.join(rules)}; }}")
                    jumps.append(f"ip {near} {pod['status']['podIP']} jump {name}")
        body = "; ".join(["ct state established,related accept", *self._unknown(), *jumps])
        return "\n".join(
            [
                f"table {TABLE}",
                f"delete table {TABLE}",
                f"table {TABLE} {{",
                *chains,
                # Before kube-proxy's own, at 0; after its translation of Services' addresses, at -100.
                f"chain forward {{ type filter hook forward priority -10; {body}; }}",
                f"chain input {{ type filter hook input priority -10; {body}; }}",
                "}",
            ]
        )

    def _addressed(self) -> list[Manifest]:
        return [
            pod
            for pod in self.pods
            if pod["status"].get("podIP")
            and not pod["spec"].get("hostNetwork")
            and pod["status"].get("phase") in ("Pending", "Running")
        ]

    def _unknown(self) -> list[str]:
        known = ", ".join([self.gateway, *sorted({pod["status"]["podIP"] for pod in self._addressed()})])
        return [f"ip {side} {self.network} ip {side} != {{ {known} }} drop" for side in ("saddr", "daddr")]

    def _chain(self, pod: Manifest, direction: str) -> list[str] | None:
        """The rules of one pod for one direction; `None` where no policy isolates it."""
        mine = [policy for policy in self.policies if _selects(policy, pod, direction)]
        if not mine:
            return None
        rules = [rule for policy in mine for rule in self._allowed(policy, pod, direction)]
        return [*rules, "drop"]

    def _allowed(self, policy: Manifest, pod: Manifest, direction: str) -> Iterator[str]:
        rules: Sequence[Manifest] = policy["spec"].get(direction.lower()) or ()
        for rule in rules:
            peers: Sequence[Manifest] = rule.get(PEERS[direction]) or ()
            ends = [""]
            if peers:
                home = policy["metadata"]["namespace"]
                ends = [end for peer in peers for end in self._ends(peer, home, FAR_END[direction])]
            for end in ends:
                for port in _ports(rule, pod if direction == "Ingress" else None):
                    yield f"{end} {port} return"

    def _ends(self, peer: Manifest, home: str, side: str) -> Iterator[str]:
        """What matches one peer of a rule."""
        block = peer.get("ipBlock")
        if block:
            excepted = ", ".join(each for each in block.get("except") or () if ":" not in each)
            if ":" not in block["cidr"]:
                yield f"ip {side} {block['cidr']}" + (f" ip {side} != {{ {excepted} }}" if excepted else "")
            return
        labels: dict[str, Manifest] = {
            each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in self.namespaces
        }
        for pod in self._addressed():
            metadata = pod["metadata"]
            chosen = peer.get("namespaceSelector")
            there = (
                metadata["namespace"] == home
                if chosen is None
                else matches(chosen, labels.get(metadata["namespace"], {}))
            )
            if there and matches(peer.get("podSelector") or {}, metadata.get("labels") or {}):
                yield f"ip {side} {pod['status']['podIP']}"


def _selects(policy: Manifest, pod: Manifest, direction: str) -> bool:
    spec, metadata = policy["spec"], pod["metadata"]
    return (
        policy["metadata"]["namespace"] == metadata["namespace"]
        and direction in (spec.get("policyTypes") or ["Ingress"])
        and matches(spec.get("podSelector") or {}, metadata.get("labels") or {})
    )


def _ports(rule: Manifest, pod: Manifest | None) -> list[str]:
    """What matches a rule's ports. Names are those of the receiving pod; of unknown ones, no name is known."""
    if not rule.get("ports"):
        return [""]
    clauses: list[str] = []
    for port in rule["ports"]:
        protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
        if isinstance(number, str):
            number = _named_port(number, pod)
            if number is None:
                continue
        if number is None:
            clauses.append(f"meta l4proto {protocol}")
        else:
            last = f"-{port['endPort']}" if "endPort" in port else ""
            clauses.append(f"{protocol} dport {number}{last}")
    return clauses


def _named_port(name: str, pod: Manifest | None) -> int | None:
    if pod is None:
        return None
    spec = pod["spec"]
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    ports = (port for container in containers for port in container.get("ports") or ())
    return next((port["containerPort"] for port in ports if port.get("name") == name), None)
