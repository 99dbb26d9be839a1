"""What the tests of a cluster share; the cluster itself comes from tests/conftest.py."""

from collections.abc import Iterator

import pytest

from testcluster.components import start_component
from testcluster.fixtures import Kubectl
from testcluster.node import processes
from testcluster.place import Place


@pytest.fixture(scope="module")
def restricted(namespace: str, kubectl: Kubectl) -> str:
    """The module's namespace, where Kubernetes takes no pod that is less than `restricted`."""
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


@pytest.fixture
def without_load_balancer(testcluster_place: Place) -> Iterator[None]:
    """No load balancer's controller shows itself meanwhile."""
    processes(testcluster_place).stop("loadbalancer")
    yield
    start_component(testcluster_place, "loadbalancer")
