"""Whether NetworkPolicy is enforced: two pods try the same, one behind a policy, and one to show that it could be done."""

import asyncio
import contextlib
import secrets
from typing import Any, Final

from kubebox.cluster.doctor.findings import Finding, State
from kubebox_cluster import names
from kubebox_cluster.api import Api
from kubebox_cluster.containers import SERVER_UID
from kubebox_cluster.errors import NotFound
from kubebox_cluster.kinds import NETWORK_POLICIES, PODS
from kubebox_cluster.status import containers
from kubebox_cluster.watch import follow

SECONDS: Final = 120.0
"""Seconds for both pods to be placed, started and ended: an image may have to be pulled."""

SETTLE_SECONDS: Final = 5
"""Seconds that a policy may take to hold for a new pod; sandboxes wait for it in the same way."""

TRY: Final = f"""
import os, socket, time
address = (os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"]))
def connects():
    try:
        socket.create_connection(address, 2).close()
        return True
    except OSError:
        return False
ends = time.monotonic() + {SETTLE_SECONDS}
while connects():
    if time.monotonic() > ends:
        raise SystemExit(1)
    time.sleep(0.2)
"""
"""Ends with 0 once the API server cannot be reached, and with 1 where it still can be after a while."""


async def examine_network(api: Api, namespace: str, image: str) -> Finding:
    """Whether NetworkPolicy is enforced.

    Args:
        api: The cluster.
        namespace: Where sandboxes would be made.
        image: One with Python: the sandboxes' server.
    """
    name = f"kubebox-doctor-{secrets.token_hex(4)}"
    try:
        await api.create(NETWORK_POLICIES, _policy(name), namespace)
        closed, control = await asyncio.gather(
            _outcome(api, namespace, _pod(f"{name}-closed", image, {"kubebox-doctor": name})),
            _outcome(api, namespace, _pod(f"{name}-control", image, {"kubebox-doctor-control": name})),
        )
    finally:
        await _clean(api, namespace, name)
    return _judge(closed, control)


def _judge(closed: int | None, control: int | None) -> Finding:
    name = "network-policy"
    if closed == 1:
        return Finding(
            name, State.BROKEN, "NetworkPolicy is not enforced: a pod that must reach nothing reached the API server",
            "no command is started here. Use a network plugin that enforces it (Calico, Cilium, …), or allow the open network: "
            f"kubectl label namespace … {names.ALLOW_OPEN_NETWORK}={names.ALLOWED}",
        )  # fmt: skip
    if closed == 0 and control == 1:
        return Finding(
            name, State.GOOD, "enforced: a closed pod reached nothing, and an open one the API server"
        )
    if closed == 0:
        return Finding(
            name, State.UNKNOWN, "a closed pod reached nothing, but neither did an open one",
            "other rules of this cluster close pods' network; whether Kubebox's would is not known",
        )  # fmt: skip
    return Finding(
        name, State.UNKNOWN, "the pods that try it did not end in time", "see `kubectl get events`"
    )


async def _outcome(api: Api, namespace: str, manifest: dict[str, Any]) -> int | None:
    await api.create(PODS, manifest, namespace)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            fields = f"metadata.name={manifest['metadata']['name']}"
            async with contextlib.aclosing(follow(api, PODS, namespace, fields=fields)) as changes:
                async for change in changes:
                    seen = containers(change.object).get("try")
                    if seen is not None and seen.exit_code is not None:
                        return seen.exit_code
    return None


async def _clean(api: Api, namespace: str, name: str) -> None:
    for kind, one in ((PODS, f"{name}-closed"), (PODS, f"{name}-control"), (NETWORK_POLICIES, name)):
        with contextlib.suppress(NotFound):
            await api.delete(kind, one, namespace, grace_seconds=0 if kind is PODS else None)


def _policy(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {names.MANAGED: "kubebox"}},
        "spec": {
            "podSelector": {"matchLabels": {"kubebox-doctor": name}},
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def _pod(name: str, image: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {names.MANAGED: "kubebox", **labels}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": round(SECONDS),
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "try",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/opt/kubebox/bin/python3", "-I", "-c", TRY],
                    "securityContext": {
                        "runAsUser": SERVER_UID,
                        "runAsGroup": SERVER_UID,
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"memory": "64Mi", "cpu": "500m", "ephemeral-storage": "64Mi"},
                    },
                }
            ],
        },
    }
