"""The connection: nobody hangs when it does not come back, nothing runs on when it is closed, and nothing is printed.

How it comes back, at the exact byte, is in `tests/faults`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import anyio
import pytest

from kubebox import errors
from kubebox._transport import realtime
from kubebox._transport.base import Happening
from kubebox._transport.direct import DirectTransport
from kubebox.client import SandboxClient
from kubebox.keys import resolve_private_key
from kubebox_protocol import events
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.sessions import SessionList

from .conftest import PATIENCE, Server

Waiter = Callable[[SandboxClient], Awaitable[object]]


async def wait(client: SandboxClient) -> object:
    return await client.run_command("s", "echo on > on; exec sleep 60", CommandMode.WAIT)


async def stream(client: SandboxClient) -> object:
    return [piece async for piece in await client.run_command("s", "echo on > on; exec sleep 60")]


async def background(client: SandboxClient) -> object:
    process = await client.run_command("s", "echo on > on; exec sleep 60", CommandMode.BACKGROUND)
    return await process.wait()


async def connected(server: Server, reconnect: float = PATIENCE) -> SandboxClient:
    client = SandboxClient(server.private_key, server.url, reconnect=reconnect)
    await client.connect()
    await client.initialize_session("s", "s")
    return client


async def running(server: Server) -> None:
    """Wait until the command has said that it runs."""
    with anyio.fail_after(PATIENCE):
        while not (server.workspace / "s" / "on").exists():  # noqa: ASYNC110 - a file of another process
            await anyio.sleep(0.01)


@pytest.mark.parametrize("reconnect", [0, 0.5])
@pytest.mark.parametrize("waiter", [wait, stream, background])
async def test_a_server_that_does_not_come_back_ends_every_wait(
    own_server: Server, waiter: Waiter, reconnect: float
) -> None:
    client = await connected(own_server, reconnect)
    waiting = asyncio.ensure_future(waiter(client))
    await running(own_server)
    own_server.stop()
    # Where it had only begun to wait, nothing was sent yet.
    kinds = (
        (errors.ConnectionLost, errors.SandboxUnreachable) if waiter is background else errors.ConnectionLost
    )
    with pytest.raises(kinds) as caught, anyio.fail_after(PATIENCE):
        await waiting
    assert isinstance(caught.value, ConnectionError)
    if waiter is not background:
        assert "process_id" in caught.value.data
        assert caught.value.data["offset"] == 0
    with pytest.raises(errors.ConnectionFailed), anyio.fail_after(PATIENCE):
        await client.list_sessions()
    await client.disconnect()


@pytest.mark.parametrize("waiter", [wait, stream, background])
async def test_disconnecting_ends_every_attempt_at_once(own_server: Server, waiter: Waiter) -> None:
    client = await connected(own_server, reconnect=600)
    waiting = asyncio.ensure_future(waiter(client))
    await running(own_server)
    own_server.stop()
    done, _ = await asyncio.wait({waiting}, timeout=0.5)  # it tries, and goes on trying
    assert not done
    with anyio.fail_after(PATIENCE):
        await client.disconnect()
        with pytest.raises(errors.NotConnected):
            await waiting


async def test_whoever_is_cancelled_waits_for_no_attempt(own_server: Server) -> None:
    client = await connected(own_server, reconnect=600)
    waiting = [asyncio.ensure_future(waiter(client)) for waiter in (wait, stream, background)]
    await running(own_server)
    own_server.stop()
    done, _ = await asyncio.wait(waiting, timeout=0.5)
    assert not done
    for each in waiting:
        each.cancel()
    with anyio.fail_after(PATIENCE):
        await asyncio.wait(waiting)
        await client.disconnect()
    assert all(each.cancelled() for each in waiting)


async def test_a_restarted_server_is_asked_what_became_of_it(own_server: Server) -> None:
    client = await connected(own_server)
    waiting = asyncio.ensure_future(wait(client))
    await running(own_server)
    own_server.stop()
    own_server.start()
    with pytest.raises(errors.SandboxLost) as caught, anyio.fail_after(PATIENCE):
        await waiting  # its workspace was started anew as well
    assert caught.value.verdict is not None
    assert caught.value.verdict.kind == "workspace-restarted"
    assert "process_id" in caught.value.data
    await client.disconnect()


async def test_another_server_in_its_place_ends_every_attempt_at_once(own_server: Server) -> None:
    client = await connected(own_server, reconnect=600)
    waiting = asyncio.ensure_future(wait(client))
    await running(own_server)
    own_server.stop()
    own_server.uid = "body-2"
    own_server.start()
    with pytest.raises(errors.SandboxReplaced), anyio.fail_after(PATIENCE):
        await waiting
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
    client = await connected(own_server, reconnect=0)
    own_server.stop()
    with pytest.raises(errors.ConnectionFailed):
        await client.list_sessions()
    with pytest.raises(errors.SandboxUnreachable):
        await client.connect(0)
    own_server.start()
    await client.connect()
    await client.initialize_session("s", "s")
    assert (await client.run_command("s", "echo back", CommandMode.WAIT)).stdout == "back\n"
    await client.disconnect()


async def test_a_call_waits_for_the_server_to_come_back(own_server: Server) -> None:
    client = await connected(own_server)
    own_server.stop()
    calling = asyncio.ensure_future(client.list_sessions())
    asking = asyncio.ensure_future(client.file_exists("s", "x"))
    done, _ = await asyncio.wait({calling, asking}, timeout=0.3)
    assert not done
    own_server.start()
    with anyio.fail_after(PATIENCE):
        assert [session.session_id for session in await calling] == ["s"]  # the same body, started anew
        assert await asking is False
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

    def watched(self: realtime.Realtime, url: str, sign: realtime.Sign, *others: Any) -> None:
        async def counted(lifetime: int) -> str:
            signed.append(lifetime)
            if len(signed) == 10:
                renewed.set()
            return await sign(lifetime)

        original(self, url, counted, *others)

    monkeypatch.setattr(realtime.Realtime, "__init__", watched)
    client = await connected(server)
    with anyio.fail_after(PATIENCE):
        await renewed.wait()  # ten tokens at 0.3 s: longer than one of them lives
    assert await client.list_sessions()
    assert set(signed) == {2}
    await client.disconnect()


async def test_a_connection_that_ends_with_its_token_is_made_anew(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "CONNECTION_TOKEN_SECONDS", 1)
    monkeypatch.setattr(realtime, "RENEW_AFTER_SECONDS", 3600)
    client = await connected(server)
    with anyio.fail_after(PATIENCE):
        result = await client.run_command("s", "sleep 2.5; echo done", CommandMode.WAIT)
    assert result.stdout == "done\n"
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


async def test_what_is_larger_than_any_server_takes_is_not_sent(client: SandboxClient, session: str) -> None:
    """It would end the connection, and all that goes over it, again and again."""
    stream = await client.run_command(session, "read line; echo $line", open_stdin=True)
    with pytest.raises(errors.PayloadTooLarge), anyio.fail_after(PATIENCE):
        # Each of these bytes is six in JSON.
        await client.initialize_session(f"{session}-large", "", env={"A": "\1" * 500_000})
    await stream.write("fine\n")
    assert "".join([piece.output async for piece in stream]) == "fine\n"


async def test_a_disconnect_that_is_cancelled_disconnects(own_server: Server) -> None:
    before = asyncio.all_tasks()
    client = await connected(own_server)
    command = "trap '' TERM; echo on > on; while :; do sleep 1; done"
    waiting = asyncio.ensure_future(client.run_command("s", command, CommandMode.WAIT))
    await running(own_server)
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=0.1)  # It cleans up, which takes the second that SIGTERM is given.
    disconnecting = asyncio.ensure_future(client.disconnect())
    done, _ = await asyncio.wait({disconnecting}, timeout=0.1)
    assert not done
    with anyio.fail_after(PATIENCE):
        disconnecting.cancel()
        await asyncio.wait({disconnecting, waiting})
        with pytest.raises(errors.NotConnected):
            await client.list_sessions()
    assert asyncio.all_tasks() == before


async def test_disconnecting_as_a_connection_comes_back_leaves_none(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.all_tasks()
    client = await connected(own_server)
    original = realtime.Realtime.open
    disconnecting: list[asyncio.Future[None]] = []

    async def just_then(self: realtime.Realtime) -> None:
        await original(self)
        disconnecting.append(asyncio.ensure_future(client.disconnect()))
        await asyncio.sleep(0)  # The same turn of the loop: what ends attempts comes in the next one.

    own_server.stop()
    own_server.start()
    monkeypatch.setattr(realtime.Realtime, "open", just_then)
    with anyio.fail_after(PATIENCE):
        with pytest.raises(errors.NotConnected):
            await client.initialize_session("s", "s")
        await asyncio.wait(disconnecting)
        with pytest.raises(errors.NotConnected):
            await client.list_sessions()
    assert asyncio.all_tasks() == before


async def test_what_is_said_no_more_by_whoever_asks_is_no_loss_of_the_connection(server: Server) -> None:
    """Some of our errors are what a broken connection raises, and one may come of a look before sending."""
    heard: list[Happening] = []

    def refuse() -> None:
        raise errors.AnswerInvalid("what came does not fit")

    transport = DirectTransport(server.url, resolve_private_key(server.private_key))
    await transport.connect(PATIENCE)
    transport.listen(uuid4(), heard.append)
    with pytest.raises(errors.AnswerInvalid):
        await transport.ask(events.LIST_SESSIONS, None, SessionList, before=refuse)
    assert heard == []
    assert transport.connected
    await transport.disconnect()
