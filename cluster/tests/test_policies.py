"""What opens a sandbox's network, and what never does."""

import ipaddress
from typing import Any

import pytest

from kubebox_cluster import names, policies
from kubebox_cluster.specification import Specification

Manifest = dict[str, Any]
OWNER: Manifest = {"kind": "Lease"}


def specification(network: Any) -> Specification:
    return Specification(
        name="a", namespace="n", server_image="s", key_secret=("a", "b"), lifetime=1, network=network
    )


def reaches(policy: Manifest, address: str) -> bool:
    """Whether a policy lets a packet out, as the specification of `ipBlock` says."""
    wanted = ipaddress.ip_address(address)
    for rule in policy["spec"]["egress"]:
        for peer in rule["to"]:
            block = peer["ipBlock"]
            excepted = [ipaddress.ip_network(one) for one in block.get("except", [])]
            if wanted in ipaddress.ip_network(block["cidr"]) and not any(wanted in one for one in excepted):
                return True
    return False


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "203.0.113.1"])
def test_the_internet_is_reached(address: str) -> None:
    policy = policies.egress(specification("internet"), OWNER)
    assert policy is not None
    assert reaches(policy, address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "168.63.129.16", "100.100.100.200", "10.96.0.1", "10.244.0.7", "172.16.0.1", "192.168.1.1",
        "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.2", "192.0.0.192", "::1", "fd00:ec2::254", "fe80::1",
        "ff02::1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_what_is_not_the_internet_is_not(address: str) -> None:
    policy = policies.egress(specification("internet"), OWNER)
    assert policy is not None
    assert not reaches(policy, address)


def test_nodes_and_the_api_server_can_be_closed_wherever_they_are() -> None:
    policy = policies.egress(specification("internet"), OWNER, closed=["203.0.113.0/24"])
    assert policy is not None
    assert not reaches(policy, "203.0.113.1")
    listed = policies.egress(specification(("203.0.112.0/23",)), OWNER, closed=["203.0.113.0/24"])
    assert listed is not None
    assert (reaches(listed, "203.0.112.1"), reaches(listed, "203.0.113.1")) == (True, False)


@pytest.mark.parametrize(
    "network",
    ["169.254.169.254/32", "168.63.129.16/32", "169.254.0.0/16", "fd00:ec2::254/128", "10.0.0.1/32"],
)
def test_what_is_never_reached_cannot_be_listed(network: str) -> None:
    with pytest.raises(ValueError, match="no sandbox reaches"):
        policies.egress(specification((network,)), OWNER, closed=["10.0.0.0/30"])


def test_a_wide_network_is_listed_without_what_is_never_reached() -> None:
    policy = policies.egress(specification(("0.0.0.0/0",)), OWNER)
    assert policy is not None
    assert (reaches(policy, "10.0.0.1"), reaches(policy, "169.254.169.254")) == (True, False)


def test_no_network_needs_no_policy_beside_the_one_that_closes_all() -> None:
    assert policies.egress(specification("none"), OWNER) is None
    closed = policies.default_deny("n")["spec"]
    assert closed["podSelector"] == {"matchExpressions": [{"key": names.SANDBOX, "operator": "Exists"}]}
    assert (closed["policyTypes"], closed.get("ingress"), closed.get("egress")) == (
        ["Ingress", "Egress"],
        None,
        None,
    )


def test_the_door_is_the_servers_port_alone() -> None:
    spec = policies.ingress("a", "n", ["198.51.100.0/24"])["spec"]
    assert spec["ingress"] == [
        {"from": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 8080, "protocol": "TCP"}]}
    ]


def test_nobody_is_not_anyone() -> None:
    """An empty list of peers would mean all of them."""
    assert policies.ingress("a", "n", [])["spec"]["ingress"] == []
