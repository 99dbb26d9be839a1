"""F04, F06: the connection is lost, and who takes the next one says nothing. `reconnect` bounds that wait too.

The server is killed and its socket is held, so that the kernel goes on taking connections, as for one that stands still.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kubebox import SandboxClient, errors
from kubebox.testing import Box
from tests.soak.servers import own_server
from tests.soak.waiting import eventually

pytestmark = pytest.mark.anyio

LEAST_SECONDS = 1.0
"""Seconds that an attempt may take however small `reconnect` is, as its documentation says."""

MARGIN_SECONDS = 6.0
"""For a busy machine. An attempt that nothing bounds takes ten and more."""

STREAMS = 10
CALLS = 5

Waiter = Callable[[Box, str], Awaitable[object]]


async def wait(box: Box, command: str) -> object:
    return await box.wait(command)


async def stream(box: Box, command: str) -> object:
    return [piece async for piece in await box.stream(command)]


async def background(box: Box, command: str) -> object:
    return await (await box.background(command)).wait()


async def told_after(waiting: Awaitable[object]) -> float:
    """Seconds until whoever waits is told that the connection is lost."""
    began = time.monotonic()
    with pytest.raises((errors.ConnectionLost, errors.SandboxUnreachable)):
        await waiting
    return time.monotonic() - began


@pytest.mark.parametrize("reconnect", [0, 0.5])
async def test_nobody_waits_longer_than_reconnect_allows(tmp_path: Path, reconnect: float) -> None:
    async with (
        own_server(tmp_path) as server,
        SandboxClient(server.private_key, server.url, reconnect=reconnect) as client,
    ):
        await client.initialize_session("s", "")
        box = Box(client, "s")
        waiters: list[Waiter] = [wait, background, *[stream] * STREAMS]
        waiting = [
            asyncio.ensure_future(waiter(box, f"touch on.{number}; exec sleep 60"))
            for number, waiter in enumerate(waiters)
        ]
        await eventually(lambda: len(list(server.workspace.glob("on.*"))) == len(waiters))
        server.kill()
        times = await asyncio.gather(*map(told_after, waiting))
        assert max(times) < reconnect + LEAST_SECONDS + MARGIN_SECONDS

        calls: list[Callable[[], Awaitable[object]]] = [
            client.list_sessions,
            lambda: client.file_exists("s", "x"),
            lambda: client.sign_token("GET", "/v1/sessions/s/files?path=x"),
        ]
        for call in calls:
            times = await asyncio.gather(*(told_after(call()) for _ in range(CALLS)))
            assert max(times) < max(reconnect, LEAST_SECONDS) + MARGIN_SECONDS

        server.start()
        await server.ready()
        assert [session.session_id for session in await client.list_sessions()] == ["s"]
        assert await client.file_exists("s", "on.0")


async def test_whoever_is_patient_finds_the_server_when_it_answers(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server, server.box() as box:
        server.kill()
        calls = [asyncio.ensure_future(box.client.list_sessions()) for _ in range(3)]
        exists = asyncio.ensure_future(box.client.file_exists("session", "x"))
        done, _ = await asyncio.wait([*calls, exists], timeout=2 * LEAST_SECONDS)
        assert not done
        server.start()
        assert {len(sessions) for sessions in await asyncio.gather(*calls)} == {1}
        assert await exists is False
