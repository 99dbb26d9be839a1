"""A tunnel to a port of a pod, through the API server: who may forward ports there gets through, and nobody else has to be asked.

Each connection becomes one WebSocket to the API server. The protocol is small: the first byte of each message says whether it
is data or an error, and the first message of either kind names the port. It has no word for "this is all that I send": where one
side ends its half of the connection, the other side's half goes on until it has been silent for a while.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from kubebox_cluster.api import Api
from kubebox_cluster.errors import ClusterError, ForwardFailed, NotFound, PodGone
from kubebox_cluster.failures import unreachable
from kubebox_cluster.kinds import PODS

PROTOCOL: Final = "v4.channel.k8s.io"

DATA: Final = 0
ERROR: Final = 1
PORT_BYTES: Final = 2
"""Bytes at the beginning of each channel, which name the port."""

PIECE_BYTES: Final = 64 * 1024
"""Bytes of one message to the pod."""

MAX_ERROR_BYTES: Final = 4096
"""Bytes of a node's complaint that are kept; it has some two hundred."""

MAX_CONNECTIONS: Final = 128
"""Connections through one tunnel at once. A client has one for events and a handful for requests."""

SILENT_SECONDS: Final = 10.0
"""Seconds of silence from the pod after which a connection ends whose near side has ended its half. Nearly always all of it was
closed, which cannot be told apart, and the pod should learn of it soon."""

ENDED: Final = ("Succeeded", "Failed")
"""Phases of pods that run no more."""


class Tunnel:
    """An open tunnel.

    Attributes:
        address: Where it begins: `127.0.0.1:PORT`. Everybody on this machine can connect there.
        last_error: Why the last connection failed; `None` after one that did not. `PodGone` stays.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.last_error: ClusterError | None = None


@asynccontextmanager
async def open_tunnel(
    api: Api, namespace: str, pod: str, port: int, *, uid: str | None = None
) -> AsyncGenerator[Tunnel]:
    """Open a tunnel, which leaving the context closes, with all connections through it.

    A connection that cannot be made, or that breaks, is reset, and `Tunnel.last_error` says why. Later ones are tried
    all the same, unless the pod is gone.

    Args:
        api: The way to the API server.
        namespace: The pod's namespace.
        pod: Its name.
        port: The port in the pod, where something has to listen on its loopback address.
        uid: The pod's uid: another pod of the same name is refused. By default, that of the pod as it is now.

    Raises:
        PodGone: The pod is not there, has ended, or is another one.
        ApiUnreachable: There is no API server.
        ApiRefused: It may not be looked at.
    """
    uid = await _check(api, namespace, pod, uid)
    listener = socket.create_server(("127.0.0.1", 0), backlog=MAX_CONNECTIONS)
    tunnel = Tunnel(f"127.0.0.1:{listener.getsockname()[1]}")
    forwarding = _Forwarding(api, tunnel, (namespace, pod, uid), port)
    server = await asyncio.start_server(forwarding.accept, sock=listener, limit=PIECE_BYTES)
    try:
        yield tunnel
    finally:
        server.close()
        await forwarding.close()


async def _check(api: Api, namespace: str, name: str, uid: str | None) -> str:
    """Make sure that the pod is the one that is meant; its uid."""
    try:
        pod = await api.get(PODS, name, namespace)
    except NotFound as error:
        raise PodGone(f"there is no pod {name} in the namespace {namespace}") from error
    found: str = pod["metadata"]["uid"]
    if uid is not None and uid != found:
        raise PodGone(f"the pod {name} was replaced by another one of that name")
    phase = pod.get("status", {}).get("phase")
    if phase in ENDED:
        raise PodGone(f"the pod {name} has ended ({phase})")
    return found


class _Forwarding:
    """Owns the connections of one tunnel."""

    def __init__(self, api: Api, tunnel: Tunnel, pod: tuple[str, str, str], port: int) -> None:
        self._api = api
        self._tunnel = tunnel
        self._pod = pod
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin to serve a connection."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all connections."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._carry(reader, writer)
            writer.close()
            await writer.wait_closed()
        except ClusterError as error:
            self._tunnel.last_error = error
        except ConnectionError:
            pass  # the near side is gone, and knows why
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._tunnel.last_error, PodGone):
            raise self._tunnel.last_error
        if len(self._tasks) > MAX_CONNECTIONS:
            raise ForwardFailed(f"there are {MAX_CONNECTIONS} connections through this tunnel already")
        namespace, name, uid = self._pod
        path = PODS.path(namespace, name, "portforward")
        # The API server knows pods by their names alone, so who this one is is asked meanwhile.
        checking = asyncio.create_task(_check(self._api, namespace, name, uid))
        try:
            connection = self._api.requests.connection
            async with connection.websocket(path, {"ports": str(self._port)}, PROTOCOL) as far:
                await checking
                self._tunnel.last_error = None
                await _Exchange(far, reader, writer, self._api.target.server).run()
        except NotFound:
            await checking  # says it better
            raise
        finally:
            checking.cancel()
            await asyncio.wait([checking])


class _Exchange:
    """One connection, near and far.

    Args:
        far: The WebSocket to the pod.
        reader: What the near side sends.
        writer: Sends to the near side.
        server: The API server's URL, for messages.
    """

    def __init__(
        self,
        far: aiohttp.ClientWebSocketResponse,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server: str,
    ) -> None:
        self._far = far
        self._reader = reader
        self._writer = writer
        self._server = server
        self._unnamed = {DATA: PORT_BYTES, ERROR: PORT_BYTES}
        self._near_ended = False
        self._silence = asyncio.timeout(None)

    async def run(self) -> None:
        """Carry bytes both ways until the far side has ended.

        Raises:
            ForwardFailed: The node could not connect, or go on.
            ApiUnreachable: The WebSocket broke off.
            ConnectionError: The near side broke off.
        """
        sending = asyncio.create_task(self._send())
        try:
            async with self._silence:
                await self._receive()
        except TimeoutError:
            pass  # the near side has ended, and nothing comes for it any more
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def _send(self) -> None:
        try:
            while piece := await self._reader.read(PIECE_BYTES):
                await self._far.send_bytes(b"%c%b" % (DATA, piece))
            self._near_ended = True
            self._count_silence(SILENT_SECONDS)
        except aiohttp.ClientError:
            pass  # the far side is gone, as whoever receives from it is told
        except ConnectionError:
            self._count_silence(0)  # nobody reads any more

    async def _receive(self) -> None:
        while True:
            message = await self._far.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise unreachable(self._server, "lost", "the tunnel broke off", sent=True)
            if self._near_ended:
                self._count_silence(SILENT_SECONDS)
            await self._take(memoryview(message.data))

    async def _take(self, message: memoryview) -> None:
        if not message:
            return
        channel, content = message[0], message[1:]
        unnamed = self._unnamed.get(channel)
        if unnamed is None:
            raise unreachable(self._server, "lost", f"the tunnel has no channel {channel}", sent=True)
        if unnamed:
            self._unnamed[channel] = max(0, unnamed - len(content))
            content = content[unnamed:]
        if not content:
            return
        if channel == ERROR:
            raise ForwardFailed(bytes(content[:MAX_ERROR_BYTES]).decode("utf-8", "replace").strip())
        self._writer.write(content)
        await self._writer.drain()

    def _count_silence(self, seconds: float) -> None:
        self._silence.reschedule(asyncio.get_running_loop().time() + seconds)
