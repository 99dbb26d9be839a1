"""F03: one server says who it is, and the next one gets the token that was signed for it."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from kubebox import SandboxClient
from tests.faults.proxy import Cut, Proxy
from tests.soak.servers import OwnServer, own_server
from tests.soak.waiting import eventually

pytestmark = pytest.mark.anyio

PATIENCE = 60
HANDSHAKE = 2
"""Which connection it takes: the first one asks who answers."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[OwnServer]:
    async with own_server(tmp_path) as server:
        yield server


@pytest.fixture
async def proxy(server: OwnServer) -> AsyncGenerator[Proxy]:
    async with Proxy.before(server.url) as proxy:
        yield proxy


def replace_before(proxy: Proxy, server: OwnServer) -> None:
    """Have the server killed, and started again a second later, before the next handshake reaches it."""

    async def replace() -> None:
        server.kill()
        killed = int(time.time())  # tokens are dated by whole seconds
        await eventually(lambda: int(time.time()) > killed)
        server.start()
        await server.ready()

    proxy.before_reaching(HANDSHAKE, replace)


async def test_a_first_connection_is_made_all_the_same(server: OwnServer, proxy: Proxy) -> None:
    replace_before(proxy, server)
    with anyio.fail_after(PATIENCE):
        async with SandboxClient(server.private_key, proxy.url) as client:
            assert await client.list_sessions() == []


async def test_a_lost_connection_comes_back_all_the_same(server: OwnServer, proxy: Proxy) -> None:
    with anyio.fail_after(PATIENCE):
        async with SandboxClient(server.private_key, proxy.url) as client:
            await client.initialize_session("s", "")
            stream = await client.run_command("s", "echo on; until [ -e go ]; do sleep 0.01; done; echo last")
            pieces = aiter(stream)
            assert (await anext(pieces)).output == "on\n"
            replace_before(proxy, server)
            proxy.cut(Cut.RST)
            (server.workspace / "go").touch()
            assert [piece.output async for piece in pieces] == ["last\n"]
