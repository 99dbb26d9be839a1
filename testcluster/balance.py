"""The component that gives Services of type LoadBalancer an address, as a cloud's controller would.

`python -m testcluster.balance KUBECONFIG NETWORK`. kube-proxy does the rest: the address leads to the node.
"""

import ipaddress
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from testcluster.kubernetes import Api, Manifest, Refused
from testcluster.mirror import Mirror


def main(kubeconfig: str, network: str) -> None:
    """Give addresses until the process is ended.

    Args:
        kubeconfig: The administrator's.
        network: The addresses to give.
    """
    api, changed = Api(Path(kubeconfig)), threading.Event()
    services = Mirror(api, "/api/v1/services", changed.set)
    given: dict[str, str] = {}
    while changed.wait():
        changed.clear()
        for path, address in _gifts(services.objects or (), network, given):
            try:
                api.merge(path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
            except (Refused, OSError) as problem:  # it is gone already, or the next change brings it again
                print(f"{path}: {problem}", flush=True)


def _gifts(services: Sequence[Manifest], network: str, given: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The status of each Service without an address, and the one that it shall get.

    Args:
        services: All Services; the last gifts may not show yet.
        network: The addresses to give.
        given: Addresses by Services' uids; kept up to date.
    """
    balanced = {
        each["metadata"]["uid"]: each for each in services if each["spec"].get("type") == "LoadBalancer"
    }
    for uid in set(given) - set(balanced):
        del given[uid]
    for uid, service in balanced.items():
        for entry in service["status"].get("loadBalancer", {}).get("ingress", ()):
            given[uid] = entry["ip"]
    taken = set(given.values())
    free = (str(address) for address in ipaddress.ip_network(network).hosts() if str(address) not in taken)
    for uid, service in balanced.items():
        if service["status"].get("loadBalancer", {}).get("ingress"):
            continue
        metadata = service["metadata"]
        address = given.get(uid) or given.setdefault(uid, next(free))
        yield f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status", address


if __name__ == "__main__":
    main(*sys.argv[1:])
