"""A port of the workspace on this machine: a listener whose connections go there, each over a channel of its own."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final, Self

from kubebox._carry import carry
from kubebox._transport.base import Transport
from kubebox._where import bracketed
from kubebox.errors import KubeboxError, LocalPortError, NotConnected
from kubebox_protocol.ports import connection_target
from kubebox_protocol.tcp import reset_when_closed

logger = logging.getLogger(__name__)

BACKLOG: Final = 128
"""Connections that wait to be taken: what an ordinary server has."""

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Why this program cannot take a connection that is there."""

EXHAUSTED_SECONDS: Final = 0.5
"""Seconds until it is tried again: nothing tells when there are descriptors again."""

MAX_REFUSALS: Final = 16
"""Connections that went nowhere, of which it is kept why until somebody asks: the newest."""


class PortForward:
    """A port of the workspace on this machine; `async with` closes it, and so does the end of its sandbox.

    Whoever may connect to the port on this machine, be it another user's program, reaches the workspace's while it is open.

    Attributes:
        port: The workspace's port.
        local_port: This machine's.
        url: `http://127.0.0.1:PORT`. Any protocol over TCP goes the same way.
    """

    def __init__(
        self,
        transport: Transport,
        port: int,
        listening: socket.socket,
        on_closed: Callable[["PortForward"], None],
    ) -> None:
        host, local_port = listening.getsockname()[:2]
        self.port = port
        self.local_port = int(local_port)
        self.url = f"http://{bracketed(host)}:{local_port}"
        self._transport = transport
        self._listening = listening
        self._refusals: asyncio.Queue[KubeboxError] = asyncio.Queue(MAX_REFUSALS)
        self._on_closed = on_closed
        self._task = asyncio.create_task(self._run(), name=f"kubebox: forward port {port}")

    def __repr__(self) -> str:
        return f"<PortForward {self.url} to port {self.port}>"

    async def refused(self) -> KubeboxError:
        """Wait for the next connection that goes nowhere, and give the reason; whoever connected only sees that it breaks off.

        Raises:
            NotConnected: It is closed.
        """
        asking = asyncio.ensure_future(self._refusals.get())
        try:
            await asyncio.wait({asking, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
        finally:
            asking.cancel()
        raise NotConnected(f"port {self.port} of the sandbox is not on this machine any more")

    async def close(self) -> None:
        """Listen no more, and end what is connected. Again does nothing."""
        self._task.cancel()
        await asyncio.wait({self._task})
        self._listening.close()  # Where the task was cancelled before it began.
        self._on_closed(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self) -> None:
        with self._listening:
            async with asyncio.TaskGroup() as group:
                while True:
                    accepted = await self._accept()
                    group.create_task(self._serve(accepted))

    async def _accept(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listening)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    await asyncio.sleep(EXHAUSTED_SECONDS)
                continue  # Otherwise it was gone before it was taken.
            return accepted

    async def _serve(self, accepted: socket.socket) -> None:
        with accepted:
            try:
                accepted.setblocking(False)
                # Small pieces, as of a dialogue, go at once.
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await carry(self._transport, connection_target(self.port), accepted)
            except KubeboxError as error:
                reset_when_closed(accepted)
                self._keep(error)
            except Exception:  # The boundary of a connection: its trouble must not end all others.
                reset_when_closed(accepted)
                logger.exception("a connection to port %d of the sandbox failed", self.port)

    def _keep(self, error: KubeboxError) -> None:
        if self._refusals.full():
            self._refusals.get_nowait()
        self._refusals.put_nowait(error)
        logger.warning("a connection to port %d of the sandbox: %s: %s", self.port, error.code, error.message)


def listen(host: str, local_port: int) -> socket.socket:
    """Listen on this machine.

    Raises:
        LocalPortError: It does not give that port, or has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, local_port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such address"
        raise LocalPortError(
            f"{host}:{local_port} of this machine cannot be listened on ({why}); port 0 takes any that is free",
            host=host,
            port=local_port,
        ) from None
    listening.setblocking(False)
    return listening
