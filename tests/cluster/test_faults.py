"""Faults of the cluster itself: the API server is restarted mid-stream, and running commands don't notice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from kubebox import CommandMode, Kubebox, SandboxClient
from testcluster import cluster
from testcluster.place import Place
from tests.cluster.places import READY_SECONDS, manager, running
from tests.soak.content import BLOCK, Content, produce

BLOCKS = 64
"""Four mebibytes before, and as many after the restart."""


@pytest.fixture(scope="module")
async def kubebox(kubeconfig: Path, restricted: str, images: object) -> AsyncIterator[Kubebox]:
    async with manager(kubeconfig, restricted) as made:
        yield made


@pytest.mark.parametrize("access", ["load-balancer", "tunnel"])
async def test_the_api_server_restarts_mid_stream(
    kubebox: Kubebox, testcluster_place: Place, access: str
) -> None:
    """F07: a stream by the load balancer goes on; one through the tunnel is cut, and goes on at its byte afterwards."""
    async with running(kubebox) as pod:
        service = kubebox.create_service(pod.name)
        address = await service.get_external_ip(READY_SECONDS, access=access)
        async with SandboxClient(kubebox.private_key, f"http://{address}") as client:
            session = str(uuid4())
            await client.initialize_session(session, session)
            stream = await client.run_command(
                session, produce("restart", 2 * BLOCKS, pause=BLOCKS), CommandMode.STREAM
            )
            content, pieces = Content(), aiter(stream)
            while content.size < BLOCKS * BLOCK:
                piece = await anext(pieces)
                content.add(piece.data, piece.offset)
            await asyncio.to_thread(cluster.restart, testcluster_place, "apiserver")
            await client.write_file(session, "go", "")
            async for piece in pieces:
                content.add(piece.data, piece.offset)
            content.check("restart", 2 * BLOCKS)
            assert stream.exit_code == 0
            assert await client.get_file(session, "runs") == "restart\n"
        assert await pod.verdict() is None


async def test_without_an_api_server_running_sandboxes_are_used_as_ever(
    kubebox: Kubebox, testcluster_place: Place
) -> None:
    async with running(kubebox) as pod:
        address = await kubebox.create_service(pod.name).get_external_ip(
            READY_SECONDS, access="load-balancer"
        )
        async with SandboxClient(kubebox.private_key, f"http://{address}") as client:
            await client.initialize_session("a", "a")
            await asyncio.to_thread(cluster.stop, testcluster_place, "apiserver")
            try:
                for number in range(5):
                    result = await client.run_command("a", f"echo {number}", CommandMode.WAIT)
                    assert result.stdout == f"{number}\n"
            finally:
                await asyncio.to_thread(cluster.start, testcluster_place, "apiserver")
