"""Local sandboxes for the tests that need a whole one."""

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from kubebox import Kubebox, SandboxClient
from kubebox.testing import Box
from tests.soak.locals import Local, own_local


@pytest.fixture(scope="session")
async def local(anyio_backend: str) -> AsyncIterator[Local]:
    """One local sandbox for all tests that leave it as they found it."""
    with Kubebox("local") as kubebox:
        pod = kubebox.create_pod("tests")
        url = f"http://{await kubebox.create_service('tests').get_external_ip()}"
        async with SandboxClient(private_key=kubebox.private_key, url=url) as client:
            yield Local(kubebox, url, client)
        await pod.destroy()


@pytest.fixture
async def box(local: Local) -> Box:
    """A session of its own in the shared sandbox."""
    return await local.box()


@pytest.fixture
async def own() -> AsyncGenerator[Local]:
    """A sandbox of the test's own, for what breaks it or needs much."""
    async with own_local() as made:
        yield made
