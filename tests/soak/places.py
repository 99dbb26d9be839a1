"""Place sandboxes under test: the one that tests share, and those of their own for what breaks something or needs much."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from kubebox import Kubebox, SandboxClient
from kubebox.testing import Box
from kubebox_protocol.keys import new_private_key
from tests.soak.processes import Process, server_of

PLACE_VARIABLE: Final = "KUBEBOX_TEST_PLACE"
"""Where sandboxes under test run: `local`, or a kubeconfig. `--place` sets it."""


def where() -> str:
    """Where sandboxes under test run."""
    return os.environ.get(PLACE_VARIABLE, "local")


@dataclass(frozen=True)
class Place:
    """A sandbox under test.

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
async def own_place(**options: Any) -> AsyncGenerator[Place]:
    """One, gone afterwards; options as of `create_pod`."""
    with Kubebox(where(), private_key=new_private_key()) as kubebox:
        pod = kubebox.create_pod(f"own-{uuid4().hex[:8]}", **options)
        try:
            service = kubebox.create_service(pod.name)
            await pod.wait_until_ready(60)
            url = f"http://{await service.get_external_ip()}"
            async with SandboxClient(kubebox.private_key, url) as client:
                yield Place(kubebox, url, client)
        finally:
            await pod.destroy()


def another(shared: Place) -> SandboxClient:
    """Another client of the same sandbox, as another program would have it."""
    return SandboxClient(shared.kubebox.private_key, shared.url)


def server(shared: Place) -> Process:
    """The sandbox's server. It must be closed."""
    return server_of(shared.client.info.sandbox_uid)
