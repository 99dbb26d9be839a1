"""What the tests of the adapter share: a way in, and a room of one's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from kubebox_cluster import kinds
from kubebox_cluster.api import Api
from kubebox_cluster.kubeconfig import read_target
from kubebox_cluster.target import Target
from tests.cluster.adapter.pods import PATIENCE, until


@pytest.fixture
def target(kubeconfig: Path) -> Target:
    """The cluster, and its administrator."""
    return read_target(kubeconfig)


@pytest.fixture
def image(images: Mapping[str, str]) -> str:
    """An image with Python in it."""
    if "sandbox" not in images:
        pytest.skip("$KUBEBOX_IMAGE names no image that this cluster can pull")
    return images["sandbox"]


@pytest.fixture
async def api(target: Target) -> AsyncIterator[Api]:
    """A way to it."""
    async with Api(target) as api, asyncio.timeout(3 * PATIENCE):
        yield api


@pytest.fixture
async def room(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"adapter-{uuid4().hex[:8]}"
    await api.create(kinds.NAMESPACES, {"metadata": {"name": name}})
    # Without it pods are refused, and Kubernetes makes it some time after the namespace.
    await until(api, kinds.SERVICE_ACCOUNTS, name, "default", lambda _: True)
    yield name
    await api.delete(kinds.NAMESPACES, name)
