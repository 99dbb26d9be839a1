"""Tunnels to pods."""

import asyncio
import contextlib
import socket
from contextlib import AsyncExitStack

import pytest

from kubebox_cluster import errors, kinds
from kubebox_cluster.api import Api
from kubebox_cluster.target import Target
from kubebox_cluster.tunnel import Tunnel, open_tunnel
from tests.cluster.adapter.pods import PATIENCE, before, idle, serving
from tests.faults.proxy import Cut

LARGE = 24 * 1024 * 1024
"""Bytes: more than everything on the way can hold back."""


async def connect(tunnel: Tunnel) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = tunnel.address.partition(":")
    return await asyncio.open_connection(host, int(port))


async def refused(tunnel: Tunnel) -> None:
    """Connect, and be reset."""
    reader, writer = await connect(tunnel)
    async with asyncio.timeout(PATIENCE):
        # A reset that comes before anybody reads may look like an end.
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_bytes_pass_both_ways_whole(api: Api, namespace: str, image: str) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(api, namespace, "passes", image))
        echo = await stack.enter_async_context(open_tunnel(api, namespace, "passes", 7001))
        source = await stack.enter_async_context(open_tunnel(api, namespace, "passes", 7002))
        sink = await stack.enter_async_context(open_tunnel(api, namespace, "passes", 7003))
        reader, writer = await connect(echo)
        for size in (1, 2, 3, 65535, 65536, 65537):
            sent = (b"%d " % size * size)[:size]
            writer.write(sent)
            assert await reader.readexactly(size) == sent
        writer.close()
        reader, writer = await connect(source)
        writer.write(b"%d\n" % LARGE)
        assert len(await reader.read()) == LARGE
        writer.close()
        reader, writer = await connect(sink)
        writer.write(b"%d\n" % LARGE + bytes(LARGE))
        assert await reader.read() == b"%d\n" % LARGE
        writer.close()
        assert (echo.last_error, source.last_error, sink.last_error) == (None, None, None)
        await refused_port(api, namespace)


async def refused_port(api: Api, namespace: str) -> None:
    async with open_tunnel(api, namespace, "passes", 7999) as tunnel:
        await refused(tunnel)
        assert isinstance(tunnel.last_error, errors.ForwardFailed)
        assert "connection refused" in str(tunnel.last_error)


async def test_a_pod_that_is_gone_refuses_at_once_and_for_ever(api: Api, namespace: str, image: str) -> None:
    async with (
        serving(api, namespace, "goes", image) as made,
        open_tunnel(api, namespace, "goes", 7001) as tunnel,
    ):
        reader, writer = await connect(tunnel)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        uid = made["metadata"]["uid"]
        await api.delete(kinds.PODS, "goes", namespace, grace_seconds=0)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
        await refused(tunnel)
        assert isinstance(tunnel.last_error, errors.PodGone)
        # Another one of that name is another one.
        await api.create(kinds.PODS, idle("goes"), namespace)
        await refused(tunnel)
        with pytest.raises(errors.PodGone, match="replaced"):
            async with open_tunnel(api, namespace, "goes", 7001, uid=uid):
                pass


async def test_a_tunnel_that_is_cut_resets_what_goes_through_and_takes_more(
    api: Api, target: Target, namespace: str, image: str
) -> None:
    async with (
        serving(api, namespace, "cut", image),
        before(target) as (proxy, through),
        Api(through) as other,
        open_tunnel(other, namespace, "cut", 7001) as tunnel,
    ):
        reader, writer = await connect(tunnel)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        proxy.cut(Cut.RST)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
        assert isinstance(tunnel.last_error, errors.ApiUnreachable)
        reader, writer = await connect(tunnel)
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        assert tunnel.last_error is None
        writer.close()


async def test_a_closed_tunnel_leaves_nothing_open(api: Api, namespace: str, image: str) -> None:
    async with serving(api, namespace, "closed", image):
        async with open_tunnel(api, namespace, "closed", 7001) as tunnel:
            reader, writer = await connect(tunnel)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
        host, _, port = tunnel.address.partition(":")
        with socket.socket() as again, pytest.raises(ConnectionRefusedError):
            again.connect((host, int(port)))


async def test_a_pod_that_is_not_there_is_told_before_anything_is_opened(api: Api, namespace: str) -> None:
    with pytest.raises(errors.PodGone, match="there is no pod nobody"):
        async with open_tunnel(api, namespace, "nobody", 7001):
            pass
