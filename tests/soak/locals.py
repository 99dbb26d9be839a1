"""Local sandboxes under test: the one that tests share, and those of their own for what breaks something or needs much."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kubebox import Kubebox, SandboxClient
from kubebox.testing import Box
from kubebox_protocol.keys import new_private_key
from tests.soak.processes import Process, server_of


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


@asynccontextmanager
async def own_local(**options: Any) -> AsyncGenerator[Local]:
    """One, gone afterwards; options as of `create_pod`."""
    with Kubebox("local", private_key=new_private_key()) as kubebox:
        pod = kubebox.create_pod("own", **options)
        try:
            url = f"http://{await pod.address(30)}"
            async with SandboxClient(kubebox.private_key, url) as client:
                yield Local(kubebox, url, client)
        finally:
            await pod.destroy()


def another(local: Local) -> SandboxClient:
    """Another client of the same sandbox, as another program would have it."""
    return SandboxClient(local.kubebox.private_key, local.url)


def server(local: Local) -> Process:
    """The sandbox's server. It must be closed."""
    return server_of(local.client.info.sandbox_uid)
