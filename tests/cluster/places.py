"""Sandboxes in the test cluster, for tests that look at them as Kubernetes does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from kubebox import Kubebox, KubeboxPod, SandboxClient
from kubebox.testing import Box
from kubebox_protocol.keys import new_private_key

READY_SECONDS = 90.0
"""How long a pod may take on a busy machine; an idle one takes four seconds."""


@asynccontextmanager
async def manager(
    kubeconfig: Path | dict[str, Any], namespace: str, **options: Any
) -> AsyncGenerator[Kubebox]:
    """A Kubebox of a key of its own."""
    async with Kubebox(
        kubeconfig,
        namespace=namespace,
        private_key=options.pop("private_key", None) or new_private_key(),
        **options,
    ) as kubebox:
        yield kubebox


@asynccontextmanager
async def running(kubebox: Kubebox, name: str | None = None, **options: Any) -> AsyncGenerator[KubeboxPod]:
    """A pod that is ready, and is destroyed afterwards; options as of `create_pod`."""
    pod = kubebox.create_pod(name or f"test-{uuid4().hex[:8]}", **options)
    try:
        await pod.wait_until_ready(READY_SECONDS)
        yield pod
    finally:
        await pod.destroy()


@asynccontextmanager
async def boxed(kubebox: Kubebox, pod: KubeboxPod, path: str | None = None) -> AsyncGenerator[Box]:
    """A session in a pod."""
    async with SandboxClient(kubebox.private_key, f"http://{await pod.address()}") as client:
        session_id = str(uuid4())
        await client.initialize_session(session_id, path or session_id)
        yield Box(client, session_id)
