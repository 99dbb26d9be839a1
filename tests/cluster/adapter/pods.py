"""Pods for the tests, and waiting for them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from kubebox_cluster import kinds
from kubebox_cluster.api import Api
from kubebox_cluster.requests import Manifest
from kubebox_cluster.target import Target
from kubebox_cluster.watch import follow
from tests.faults.proxy import Proxy

Good: TypeAlias = Callable[[Manifest], Any]

NOWHERE = "kubebox.invalid/nothing"
"""An image of pods that no node takes."""

PATIENCE = 30.0
"""Seconds after which a test is over that waits for something."""

SERVER = """
import asyncio

async def echo(reader, writer):
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()

async def source(reader, writer):
    left = int(await reader.readline())
    while left:
        piece = bytes(min(left, 65536))
        left -= len(piece)
        writer.write(piece)
        await writer.drain()
    writer.close()

async def sink(reader, writer):
    left = int(await reader.readline())
    count = 0
    while count < left:
        count += len(await reader.read(65536))
    writer.write(b"%d\\n" % count)
    writer.close()

async def main():
    for serve, port in ((echo, 7001), (source, 7002), (sink, 7003)):
        await asyncio.start_server(serve, "127.0.0.1", port)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def until(api: Api, kind: kinds.Kind, namespace: str, name: str, good: Good) -> Manifest:
    """Wait until an object is as it should be."""
    async with (
        asyncio.timeout(PATIENCE),
        aclosing(follow(api, kind, namespace, fields=f"metadata.name={name}")) as changes,
    ):
        async for change in changes:
            if change.type != "gone" and good(change.object):
                return change.object
    raise AssertionError


def pod(name: str, image: str, *command: str, **spec: Any) -> Manifest:
    container = {"name": "only", "image": image, "imagePullPolicy": "IfNotPresent", "command": command}
    return {
        "metadata": {"name": name, "labels": {"of": "adapter"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], **spec},
    }


def idle(name: str) -> Manifest:
    """A pod that no node takes."""
    return pod(name, NOWHERE, "true", nodeSelector={"kubebox.dev/nowhere": "true"})


@asynccontextmanager
async def serving(api: Api, namespace: str, name: str, image: str) -> AsyncGenerator[Manifest]:
    """A pod with the server above."""
    # Without it pods are refused, and Kubernetes makes it some time after the namespace.
    await until(api, kinds.SERVICE_ACCOUNTS, namespace, "default", lambda _: True)
    await api.create(kinds.PODS, pod(name, image, "python3", "-u", "-c", SERVER), namespace)
    made = await until(api, kinds.PODS, namespace, name, lambda it: it["status"]["phase"] == "Running")
    async with asyncio.timeout(PATIENCE):
        while "ready" not in await api.logs(namespace, name, "only"):  # noqa: ASYNC110  # a log has no events
            await asyncio.sleep(0.1)  # a log cannot be watched
    yield made
    await api.delete(kinds.PODS, name, namespace, grace_seconds=0)


@asynccontextmanager
async def before(target: Target) -> AsyncGenerator[tuple[Proxy, Target]]:
    """A line that can be cut, and the target by that line."""
    async with Proxy.before(target.server) as proxy:
        port = urlsplit(proxy.url).port
        name = urlsplit(target.server).hostname or ""
        yield proxy, replace(target, server=f"https://127.0.0.1:{port}", tls_server_name=name)


async def limited(api: Api, namespace: str, name: str) -> str:
    """A token of a ServiceAccount that may nothing."""
    await api.create(kinds.SERVICE_ACCOUNTS, {"metadata": {"name": name}}, namespace)
    path = kinds.SERVICE_ACCOUNTS.path(namespace, name, "token")
    body: Manifest = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    said = await api.requests.write("POST", path, body, query={})
    return said["status"]["token"]
