"""Local sandboxes for the tests that need a whole one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from kubebox import Kubebox, SandboxClient
from kubebox.testing import Box


@dataclass(frozen=True)
class Local:
    """A local sandbox under test.

    Attributes:
        kubebox: Who made it.
        url: Where its server listens.
        client: A connected client.
    """

    kubebox: Kubebox
    url: str
    client: SandboxClient

    async def box(self) -> Box:
        """A new session."""
        session_id = str(uuid4())
        await self.client.initialize_session(session_id, session_id)
        return Box(self.client, session_id)


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
