"""What the tests of broken lines share."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import anyio
import pytest

from kubebox import SandboxClient
from kubebox._transport.direct import DirectTransport
from kubebox.keys import resolve_private_key
from kubebox.testing import Box
from tests.faults.lines import Line, OpenLine
from tests.faults.proxy import Proxy
from tests.soak.places import Place
from tests.soak.sizes import LIMIT

PATIENCE = 0.8 * LIMIT
"""Seconds after which a test ends by itself, and says where."""


@pytest.fixture
async def open_line(shared: Place) -> AsyncGenerator[OpenLine]:
    """Makes lines to the shared sandbox."""
    async with AsyncExitStack() as stack:

        async def line(*, reconnect: float = LIMIT, heartbeat: float = 15) -> Line:
            proxy = await stack.enter_async_context(Proxy.before(shared.url))
            key = resolve_private_key(shared.kubebox.private_key)
            transport = DirectTransport(proxy.url, key, reconnect=reconnect, heartbeat=heartbeat)
            client = await stack.enter_async_context(SandboxClient(url=proxy.url, transport=transport))
            direct = await shared.box()
            return Line(proxy, Box(client, direct.session_id), direct)

        with anyio.fail_after(PATIENCE):
            yield line
