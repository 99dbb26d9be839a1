"""Leases: what nobody waits for any more, or reads, is ended; what somebody does is left alone."""

import asyncio
from uuid import uuid4

import anyio
import pytest

from kubebox import errors
from kubebox._lease import WAIT_LEASE_SECONDS, wait_lease
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode

from .conftest import PATIENCE, Server

WAIT, BACKGROUND = CommandMode.WAIT, CommandMode.BACKGROUND


async def test_what_a_client_that_is_gone_waited_for_is_ended(
    client: SandboxClient, server: Server, session: str
) -> None:
    gone = SandboxClient(server.private_key, server.url)
    await gone.connect()
    process_id = str(uuid4())
    waiting = asyncio.ensure_future(
        gone.run_command(session, "echo begun; exec sleep 600", WAIT, lease=0.2, process_id=process_id)
    )
    with anyio.fail_after(PATIENCE):
        while not await client.list_commands(session):
            pass
    async for _ in client.attach(session, process_id):
        break
    await gone.disconnect()
    with pytest.raises(errors.NotConnected):
        await waiting
    verdict = await client.get_process(session, process_id).wait()
    assert (verdict.kind, verdict.by) == ("killed", "lease")


async def test_what_is_waited_for_outlives_its_lease(client: SandboxClient, session: str) -> None:
    result = await client.run_command(session, "sleep 0.6; echo end", WAIT, lease=0.1)
    assert (result.stdout, result.exit_code) == ("end\n", 0)


async def test_what_nobody_reads_is_ended_if_it_was_so_ordered(client: SandboxClient, session: str) -> None:
    kept = await client.run_command(session, "exec sleep 600", BACKGROUND)
    ended = await client.run_command(session, "exec sleep 600", BACKGROUND, lease=0.1)
    verdict = await ended.wait()
    assert (verdict.kind, verdict.by) == ("killed", "lease")
    assert (await kept.status()).state == "running"
    await kept.kill()


@pytest.mark.parametrize(
    ("reconnect", "lease"),
    [(60, WAIT_LEASE_SECONDS), (600, 1200), (0, 120)],
)
def test_a_lease_is_longer_than_a_lost_connection_may_take_to_come_back(
    reconnect: float, lease: float
) -> None:
    assert wait_lease(reconnect) == lease
