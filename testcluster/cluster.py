"""The whole: bringing a cluster up, and taking it down so that nothing is left."""

import contextlib
import http.client
import shutil
import time
from collections.abc import Collection
from typing import Final

from testcluster import cgroups
from testcluster.certificates import write_certificates
from testcluster.compile import build
from testcluster.components import COMPONENTS, start_component
from testcluster.configuration import PAUSE_IMAGE, write_configuration
from testcluster.errors import CommandFailed, NotReady, TestClusterError
from testcluster.images import build_images
from testcluster.kubernetes import Api, Manifest
from testcluster.load import load_images, remove_containers
from testcluster.lock import lock
from testcluster.network import connect, disconnect
from testcluster.node import HOLDER, processes, remove_mount_points, start_node
from testcluster.place import Place
from testcluster.requirements import check

READY_SECONDS: Final = 60.0
"""How long anything may take to be ready; a busy machine takes ten of them."""

LOOK_SECONDS: Final = 0.05
"""Between two looks at whether containerd's socket is there."""


def up(place: Place, without: Collection[str] = ()) -> None:
    """Bring a cluster up, and wait until its node is ready. One that is up already stays as it is.

    Args:
        place: The cluster's.
        without: Components to leave out.

    Raises:
        CannotRunHere: This machine lacks something.
        NotReady: A component is not ready in time; its log says why.
        CommandFailed: A program that is needed failed.
    """
    check()
    with lock(place.name):
        if not is_up(place):
            build()
            build_images([PAUSE_IMAGE])
            _remove(place)
            _create(place)
        for name in COMPONENTS:
            if name in without:
                processes(place).stop(name)
            else:
                start_component(place, name)


def down(place: Place) -> None:
    """Take a cluster down. What is in the cache stays.

    Args:
        place: The cluster's.

    Raises:
        NotReady: Something of it does not end.
        OSError: Something of it cannot be removed.
    """
    with lock(place.name):
        _remove(place)


def stop(place: Place, name: str) -> None:
    """Stop a component.

    Args:
        place: The cluster's.
        name: One of `COMPONENTS`.

    Raises:
        NotReady: It does not end.
    """
    processes(place).stop(name)


def start(place: Place, name: str) -> None:
    """Start a component, and wait for it where that can be seen.

    Args:
        place: The cluster's.
        name: One of `COMPONENTS`.

    Raises:
        NotReady: It is not ready in time.
    """
    start_component(place, name)
    if name == "apiserver":
        Api(place.kubeconfig).wait_until_ready(READY_SECONDS)
    elif name == "containerd":
        _wait_for_containerd(place)


def restart(place: Place, name: str) -> None:
    """Stop a component and start it again.

    Args:
        place: The cluster's.
        name: One of `COMPONENTS`.

    Raises:
        NotReady: It does not end, or is not ready in time.
    """
    stop(place, name)
    start(place, name)


def is_up(place: Place) -> bool:
    """Whether the cluster answers and its node is ready."""
    if not place.kubeconfig.exists() or processes(place).pid(HOLDER) is None:
        return False
    try:
        nodes = Api(place.kubeconfig).request("GET", "/api/v1/nodes")
    except (OSError, http.client.HTTPException, TestClusterError):
        return False
    return any(_is_ready(node) for node in nodes["items"])


def _create(place: Place) -> None:
    place.state.mkdir(parents=True)
    write_certificates(place)
    write_configuration(place)
    start_node(place)
    connect(place)
    for name in ("etcd", "containerd", "apiserver"):
        start_component(place, name)
    _wait_for_containerd(place)
    if remove_containers(place):
        # containerd has read what was left of the last cluster, which ended without taking it along.
        processes(place).stop("containerd")
        start(place, "containerd")
    load_images(place, [PAUSE_IMAGE])
    api = Api(place.kubeconfig)
    api.wait_until_ready(READY_SECONDS)
    for name in COMPONENTS:
        start_component(place, name)
    api.wait_for("/api/v1/nodes", "the node", _is_ready, READY_SECONDS)
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    api.wait_for(accounts, "the default service account", lambda _: True, READY_SECONDS)


def _remove(place: Place) -> None:
    running = processes(place)
    running.stop("kubelet")
    if running.pid("containerd") is not None:
        # What is left is removed when containerd starts again.
        with contextlib.suppress(CommandFailed):
            remove_containers(place)
        running.stop("containerd")
    cgroups.kill(place.name)
    cgroups.remove(place.name)
    disconnect(place)
    remove_mount_points()
    if place.state.exists():
        shutil.rmtree(place.state)


def _wait_for_containerd(place: Place) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not place.containerd_socket.exists():
        if time.monotonic() > deadline or processes(place).pid("containerd") is None:
            raise NotReady(f"containerd does not start; see {place.logs / 'containerd.log'}")
        time.sleep(LOOK_SECONDS)


def _is_ready(node: Manifest) -> bool:
    conditions = node["status"].get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
