"""The connection: nobody hangs when it goes, nothing runs on when it is closed, and nothing is printed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import anyio
import pytest

from kubebox import errors
from kubebox._transport import realtime
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode

from .conftest import PATIENCE, Server

Waiter = Callable[[SandboxClient], Awaitable[object]]


async def wait(client: SandboxClient) -> object:
    return await client.run_command("s", "echo on > on; exec sleep 60", CommandMode.WAIT)


async def stream(client: SandboxClient) -> object:
    return [piece async for piece in await client.run_command("s", "echo on > on; exec sleep 60")]


async def background(client: SandboxClient) -> object:
    process = await client.run_command("s", "echo on > on; exec sleep 60", CommandMode.BACKGROUND)
    return await process.wait()


async def connected(server: Server) -> SandboxClient:
    client = SandboxClient(server.private_key, server.url)
    await client.connect()
    await client.initialize_session("s", "s")
    return client


async def running(server: Server) -> None:
    """Wait until the command has said that it runs."""
    with anyio.fail_after(PATIENCE):
        while not (server.workspace / "s" / "on").exists():  # noqa: ASYNC110 - a file of another process
            await anyio.sleep(0.01)


@pytest.mark.parametrize("waiter", [wait, stream, background])
async def test_a_lost_server_ends_every_wait(own_server: Server, waiter: Waiter) -> None:
    client = await connected(own_server)
    waiting = asyncio.ensure_future(waiter(client))
    await running(own_server)
    own_server.stop()
    with pytest.raises(errors.ConnectionLost) as caught, anyio.fail_after(PATIENCE):
        await waiting
    assert isinstance(caught.value, ConnectionError)
    if waiter is not background:
        assert "process_id" in caught.value.data
    await client.disconnect()


@pytest.mark.parametrize("waiter", [wait, stream])
async def test_disconnecting_ends_every_wait(own_server: Server, waiter: Waiter) -> None:
    client = await connected(own_server)
    waiting = asyncio.ensure_future(waiter(client))
    await running(own_server)
    await client.disconnect()
    with pytest.raises(errors.NotConnected), anyio.fail_after(PATIENCE):
        await waiting


async def test_a_client_connects_again_and_goes_on(own_server: Server) -> None:
    client = await connected(own_server)
    own_server.stop()
    with contextlib.suppress(errors.ConnectionFailed):
        await client.list_sessions()
    own_server.start()
    await client.connect()
    await client.initialize_session("s", "s")
    assert (await client.run_command("s", "echo back", CommandMode.WAIT)).stdout == "back\n"
    await client.disconnect()


async def test_a_new_call_connects_again_by_itself(own_server: Server) -> None:
    client = await connected(own_server)
    waiting = asyncio.ensure_future(wait(client))
    await running(own_server)
    own_server.stop()
    with pytest.raises(errors.ConnectionLost):
        await waiting
    with pytest.raises(errors.SandboxUnreachable):
        await client.list_sessions()
    own_server.start()
    assert await client.list_sessions() == []  # the same body, started anew
    await client.initialize_session("s", "s")
    stream = await client.run_command("s", "echo back")
    assert [piece.output async for piece in stream] == ["back\n"]
    await client.disconnect()


async def test_a_loop_that_stood_still_tries_its_connection_before_it_sends(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connected(own_server)
    own_server.stop()
    own_server.start()  # holds up the loop, which therefore has not heard of the loss
    monkeypatch.setattr(realtime, "STANDSTILL_SECONDS", 0)
    await client.initialize_session("s", "s")
    assert (await client.run_command("s", "echo back", CommandMode.WAIT)).stdout == "back\n"
    await client.disconnect()


async def test_connecting_waits_for_a_server_that_comes_up(own_server: Server) -> None:
    own_server.stop()
    client = SandboxClient(own_server.private_key, own_server.url)
    connecting = asyncio.ensure_future(client.connect(PATIENCE))
    await asyncio.to_thread(own_server.start)
    await connecting
    assert client.info.sandbox_id == "test"
    await client.disconnect()


async def test_disconnecting_leaves_no_task_and_no_word(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    before = asyncio.all_tasks()
    client = await connected(server)
    process = await client.run_command("s", "echo a; exec sleep 60", CommandMode.BACKGROUND)
    async for _ in process.attach():
        break
    await process.kill()
    await client.disconnect()
    await client.disconnect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert capfd.readouterr() == ("", "")


async def test_a_refused_connection_leaves_no_task(unused_port: int) -> None:
    before = asyncio.all_tasks()
    client = SandboxClient(url=f"http://127.0.0.1:{unused_port}")
    with pytest.raises(errors.SandboxUnreachable):
        await client.connect(0)
    await client.disconnect()
    assert asyncio.all_tasks() == before


async def test_the_token_is_renewed_before_it_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[int] = []
    renewed = asyncio.Event()
    monkeypatch.setattr(realtime, "CONNECTION_TOKEN_SECONDS", 2)
    monkeypatch.setattr(realtime, "RENEW_AFTER_SECONDS", 0.3)
    original = realtime.Realtime.__init__

    def watched(self: realtime.Realtime, url: str, sign: realtime.Sign, lost: Callable[[], None]) -> None:
        async def counted(lifetime: int) -> str:
            signed.append(lifetime)
            if len(signed) == 10:
                renewed.set()
            return await sign(lifetime)

        original(self, url, counted, lost)

    monkeypatch.setattr(realtime.Realtime, "__init__", watched)
    client = await connected(server)
    with anyio.fail_after(PATIENCE):
        await renewed.wait()  # ten tokens at 0.3 s: longer than one of them lives
    assert await client.list_sessions()
    assert set(signed) == {2}
    await client.disconnect()


async def test_what_is_not_connected_says_so(server: Server) -> None:
    client = SandboxClient(server.private_key, server.url)
    for call in (client.list_sessions(), client.file_exists("s", "x"), client.initialize_session("s", "s")):
        with pytest.raises(errors.NotConnected):
            await call
    with pytest.raises(errors.NotConnected):
        _ = client.info


URLS = (
    "", "localhost", "ftp://x", "http://", "http://a:b@c", "http://x/path", "http://x?q", "http://x:99999",
    "http://x:0",
)  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_a_malformed_url_is_refused_at_once(server: Server, url: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^url: "):
        SandboxClient(server.private_key, url)
