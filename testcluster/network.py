"""The node's network: a cable to this machine, and nothing else. Nothing that a pod does can leave the machine."""

from testcluster.node import HOLDER, processes, within
from testcluster.place import METADATA_ADDRESS, Place
from testcluster.policies import Rules
from testcluster.run import run, succeeds

NODE_END = "uplink"
"""The node's end of the cable."""


def connect(place: Place) -> None:
    """Lay the cable, and set addresses and routes at both ends.

    Args:
        place: The cluster's; its node runs.

    Raises:
        CommandFailed: With what `ip` complained of.
    """
    disconnect(place)
    node = str(processes(place).pid(HOLDER) or 0)
    run("ip", "link", "add", place.link, "type", "veth", "peer", "name", NODE_END, "netns", node)
    run("ip", "address", "add", f"{place.host_address}/30", "dev", place.link)
    run("ip", "address", "add", f"{place.public_address}/32", "dev", place.link)
    run("ip", "link", "set", place.link, "up")
    _set_up_node(place)
    for network in (place.pods, place.services, place.load_balancers):
        run("ip", "route", "add", network, "via", place.node_address, "dev", place.link)


def disconnect(place: Place) -> None:
    """Remove the cable; the addresses and routes at its ends go with it.

    Args:
        place: The cluster's.
    """
    succeeds("ip", "link", "delete", place.link)


def _set_up_node(place: Place) -> None:
    def inside(*command: str) -> None:
        run(*within(place, *command))

    inside("ip", "link", "set", "lo", "up")
    inside("ip", "address", "add", f"{place.node_address}/30", "dev", NODE_END)
    inside("ip", "link", "set", NODE_END, "up")
    inside("ip", "route", "add", place.public_address, "via", place.host_address)
    # A sink: what no Service answers stays inside the node, instead of meeting a missing route.
    inside("ip", "link", "add", "sink", "type", "bridge")
    inside("ip", "address", "add", f"{place.service_address('255.254')}/16", "dev", "sink")
    inside("ip", "address", "add", f"{METADATA_ADDRESS}/32", "dev", "sink")
    inside("ip", "link", "set", "sink", "up")
    inside("ip", "route", "add", "default", "dev", "sink")
    inside("sysctl", "-qw", "net.ipv4.ip_forward=1")
    # Without it, traffic between pods would pass the bridge unseen, and with it every NetworkPolicy.
    succeeds("modprobe", "br_netfilter")  # part of the kernel where there is no such module
    inside("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
    # Until the policies are known, no pod may speak: the first ones could be too early otherwise.
    run(*within(place, "nft", "-f", "-"), given=Rules(place.pods, place.gateway, (), (), ()).as_text())
