"""The component that enforces NetworkPolicy, as a CNI would: `python -m testcluster.enforce KUBECONFIG NETWORK GATEWAY`."""

import sys
import threading
from pathlib import Path

from testcluster.errors import CommandFailed
from testcluster.kubernetes import Api
from testcluster.mirror import Mirror
from testcluster.policies import Rules
from testcluster.run import run


def main(kubeconfig: str, network: str, gateway: str) -> None:
    """Enforce until the process is ended; the rules stay, also while the API server is away.

    Args:
        kubeconfig: The administrator's.
        network: Pods' addresses.
        gateway: The node's among them.
    """
    api, changed = Api(Path(kubeconfig)), threading.Event()
    namespaces = Mirror(api, "/api/v1/namespaces", changed.set)
    policies = Mirror(api, "/apis/networking.k8s.io/v1/networkpolicies", changed.set)
    pods = Mirror(api, "/api/v1/pods", changed.set)
    applied = ""
    while changed.wait():
        changed.clear()
        if pods.objects is None or policies.objects is None or namespaces.objects is None:
            continue  # a pod whose policy is not known yet must stay closed
        wanted = Rules(network, gateway, pods.objects, policies.objects, namespaces.objects).as_text()
        if wanted != applied:
            try:
                run("nft", "-f", "-", given=wanted)
                applied = wanted
            except CommandFailed as problem:  # one policy that it does not know shall not end it
                print(problem, wanted, sep="\n", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
