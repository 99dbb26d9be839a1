"""`client.ports`: forwards of this program, their URLs, their ends, and what they leave behind. The contract has the rest."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
import pytest

from kubebox import SandboxClient, errors
from kubebox._carry import RENEW_AFTER_SECONDS
from kubebox._forward import MAX_REFUSALS, PortForward
from kubebox_protocol.limits import MAX_TOKEN_LIFETIME_SECONDS

from .conftest import PATIENCE, Server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def echo() -> AsyncGenerator[int]:
    """What listens in the workspace, which has the machine's own network in these tests."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionResetError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    with anyio.fail_after(PATIENCE):
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"there")
    assert await reader.readexactly(5) == b"there"


def ours() -> set[str]:
    """The tasks of this program, but for those of the server in the workspace, which ends when it is told."""
    return {found for task in asyncio.all_tasks() if "answer" not in (found := repr(task.get_coro()))}


async def is_gone(url: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        async with connected(url):
            pass


async def test_a_url_stays_the_same_until_the_client_disconnects(server: Server, echo: int) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    tasks = ours()
    async with SandboxClient(server.private_key, server.url) as client:
        url = await client.ports.url(echo)
        assert await client.ports.url(echo) == url
        assert url.startswith("http://127.0.0.1:")
        async with client.ports.forward(echo) as another, connected(url) as one:
            assert another.url != url
            await echoes(*one)
            await client.disconnect()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await one[0].readexactly(1)
        await is_gone(url)
        await is_gone(another.url)
        with pytest.raises(errors.NotConnected):
            await client.ports.url(echo)
        await client.connect()  # and once more
        async with connected(await client.ports.url(echo)) as one:
            await echoes(*one)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
    assert ours() == tasks


async def test_a_forward_has_the_port_that_was_asked_for_and_frees_it(
    client: SandboxClient, echo: int, unused_port: int
) -> None:
    for _ in range(2):
        forward = await client.ports.forward(echo, unused_port)
        async with forward:
            assert (forward.port, forward.local_port) == (echo, unused_port)
            assert forward.url == f"http://127.0.0.1:{unused_port}"
            async with connected(forward.url) as one:
                await echoes(*one)
            with pytest.raises(errors.LocalPortError):
                await client.ports.forward(echo, unused_port)
        await is_gone(forward.url)
        await forward.close()  # again does nothing
    with pytest.raises(errors.LocalPortError):
        await client.ports.forward(echo, host="no.such.name.invalid")


async def test_the_other_family_of_addresses(client: SandboxClient, echo: int) -> None:
    try:
        forward = await client.ports.forward(echo, host="::1")
    except errors.LocalPortError:
        pytest.skip("this machine has no ::1")
    assert forward.url == f"http://[::1]:{forward.local_port}"
    async with connected(forward.url) as one:
        await echoes(*one)


async def test_wrong_ports_are_refused_before_anything_is_sent(client: SandboxClient) -> None:
    for wrong in (0, 65536, -1, True, "80", 80.0, None):
        with pytest.raises(errors.InvalidArgument):
            await client.ports.url(wrong)  # pyright: ignore[reportArgumentType]
        with pytest.raises(errors.InvalidArgument):
            await client.ports.forward(80, -1 if wrong == 0 else wrong)  # pyright: ignore[reportArgumentType]
    for seconds in (0, -1, float("nan")):
        with pytest.raises(errors.InvalidArgument):
            await client.ports.wait(80, timeout=seconds)


async def test_nothing_is_waited_for_beyond_the_timeout(client: SandboxClient, unused_port: int) -> None:
    with anyio.fail_after(PATIENCE), pytest.raises(errors.PortTimeout) as caught:
        await client.ports.wait(unused_port, timeout=1e-5)
    assert caught.value.data == {"port": unused_port}
    assert isinstance(caught.value, TimeoutError)


async def test_a_closed_port_is_told_and_the_connection_broken_off(
    client: SandboxClient, unused_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(await client.ports.url(unused_port)) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()
    assert "port-closed" in caplog.text


async def test_why_connections_went_nowhere_is_kept_of_the_newest(
    client: SandboxClient, unused_port: int
) -> None:
    async with client.ports.forward(unused_port) as forward:
        for _ in range(MAX_REFUSALS + 5):
            async with connected(forward.url) as (reader, _):
                with pytest.raises(ConnectionResetError):
                    await reader.read()
        for _ in range(MAX_REFUSALS):
            assert isinstance(await forward.refused(), errors.PortClosed)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(raises_not_connected(forward))
            group.create_task(forward.close())
        assert waiting.done()


async def raises_not_connected(forward: PortForward) -> None:
    with pytest.raises(errors.NotConnected):
        await forward.refused()


async def test_connections_wait_for_a_server_that_is_coming_back(own_server: Server, echo: int) -> None:
    async with SandboxClient(own_server.private_key, own_server.url) as client:
        url = await client.ports.url(echo)
        async with connected(url) as one:
            await echoes(*one)
            own_server.stop()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await one[0].readexactly(1)
        async with connected(url) as (reader, writer):
            writer.write(b"there")
            await asyncio.to_thread(own_server.start)
            assert await reader.readexactly(5) == b"there"


async def test_a_program_that_leaves_its_loop_leaves_no_listener(server: Server, echo: int) -> None:
    async def leave() -> str:
        client = SandboxClient(server.private_key, server.url)
        await client.connect()
        url = await client.ports.url(echo)
        async with connected(url) as one:
            await echoes(*one)
        return url

    await is_gone(await asyncio.to_thread(lambda: asyncio.run(leave())))


async def test_tokens_are_renewed_in_time() -> None:
    assert 0 < RENEW_AFTER_SECONDS < MAX_TOKEN_LIFETIME_SECONDS - 60


async def test_many_connections_at_once(client: SandboxClient, echo: int) -> None:
    url = await client.ports.url(echo)

    async def one(number: int) -> bytes:
        async with connected(url) as (reader, writer):
            writer.write(b"%d" % number)
            writer.write_eof()
            return await reader.read()

    assert await asyncio.gather(*map(one, range(100))) == [b"%d" % number for number in range(100)]
