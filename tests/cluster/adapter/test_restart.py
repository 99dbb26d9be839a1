"""An API server that is restarted, as every cluster's is now and then."""

import asyncio
from contextlib import aclosing

from kubebox_cluster import kinds
from kubebox_cluster.api import Api
from kubebox_cluster.tunnel import open_tunnel
from kubebox_cluster.watch import Change, follow
from testcluster import cluster
from testcluster.place import Place
from tests.cluster.adapter.pods import serving

RESTART_SECONDS = 80.0
"""Seconds that all of it may take: the API server has half a minute to be ready again."""


async def test_everything_goes_on_when_the_api_server_is_back(
    testcluster_place: Place, api: Api, namespace: str, image: str
) -> None:
    changes: asyncio.Queue[Change] = asyncio.Queue()

    async def collect() -> None:
        async with aclosing(
            follow(api, kinds.CONFIG_MAPS, namespace, fields="metadata.name=watched")
        ) as told:
            async for change in told:
                changes.put_nowait(change)

    async with (
        asyncio.timeout(RESTART_SECONDS),
        serving(api, namespace, "restart", image),
        open_tunnel(api, namespace, "restart", 7001) as tunnel,
        asyncio.TaskGroup() as group,
    ):
        following = group.create_task(collect())
        await api.create(kinds.CONFIG_MAPS, {"metadata": {"name": "watched"}}, namespace)
        assert (await changes.get()).type == "there"
        host, _, port = tunnel.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"

        await asyncio.to_thread(cluster.stop, testcluster_place, "apiserver")
        assert await reader.read() == b""
        writer.close()
        assert tunnel.last_error is not None
        # Asked while it is away, answered when it is back.
        reading = group.create_task(api.get(kinds.CONFIG_MAPS, "watched", namespace))
        changing = group.create_task(api.patch(kinds.CONFIG_MAPS, "watched", namespace, {"data": {"a": "1"}}))
        await asyncio.to_thread(cluster.start, testcluster_place, "apiserver")
        assert (await reading)["metadata"]["name"] == "watched"
        assert (await changing)["data"] == {"a": "1"}

        change = await changes.get()
        assert (change.type, change.object["data"]) == ("changed", {"a": "1"})
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        writer.close()
        following.cancel()
