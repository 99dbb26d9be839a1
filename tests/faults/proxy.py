"""A line that breaks: a TCP proxy on the loopback that cuts, stalls and chops up what goes through it."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from urllib.parse import urlsplit

CHUNK_BYTES = 64 * 1024
BACKLOG = 128
BUFFER_BYTES = 32 * 1024
"""Bytes that the kernel takes of a stalled connection, more or less: a sender shall notice soon that nobody reads."""


class Cut(Enum):
    """How a connection ends."""

    FIN = "fin"
    RST = "rst"


class Pair:
    """One connection: its two sockets and what is done with the bytes between them."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.how = Cut.FIN

    def close(self) -> None:
        for end in (self.client, self.server):
            if self.how is Cut.RST:
                # Without lingering, closing sends a reset, and what is on its way is thrown away.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


class Proxy:
    """A proxy before one server.

    Attributes:
        opened: Connections that it has taken.
        cuts: How often it has cut.
        segment: Bytes that it passes to the client at once.
        most: Bytes of the server's that it stands when they come at once; at more it cuts.
    """

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        assert address.hostname is not None
        self._target = address.hostname, address.port or 80
        self._port = 0
        self._pairs: dict[Pair, asyncio.Task[None]] = {}
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._plan: Iterator[tuple[int, Cut]] = iter(())
        self._budget: tuple[int, Cut] | None = None
        self._trap: tuple[bool, Cut] | None = None
        self._errands: dict[int, Callable[[], Awaitable[None]]] = {}
        self.opened = 0
        self.cuts = 0
        self.segment = CHUNK_BYTES
        self.most = CHUNK_BYTES

    @classmethod
    @asynccontextmanager
    async def before(cls, target: str) -> AsyncGenerator["Proxy"]:
        """One before a server's address."""
        proxy = cls(target)
        proxy.open()
        try:
            yield proxy
        finally:
            await proxy.shut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Take connections, at the same port again where it did before."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        listening.bind(("127.0.0.1", self._port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
        self._port = listening.getsockname()[1]
        self._listening = listening
        self._accepting = asyncio.create_task(self._accept(listening))

    async def shut(self, how: Cut = Cut.RST) -> None:
        """Cut every connection and take no others."""
        if self._accepting is not None and self._listening is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
            self._listening.close()
        tasks = list(self._pairs.values())
        self.cut(how)
        if tasks:
            await asyncio.wait(tasks)

    def cut(self, how: Cut) -> None:
        """Cut every connection that there is."""
        self.cuts += 1
        for pair, task in self._pairs.items():
            pair.how = how
            task.cancel()  # Which closes it. To close what a task still waits for confuses the event loop.

    def cut_at(self, places: Iterator[tuple[int, Cut]]) -> None:
        """Cut each time when so many more bytes have gone to the client."""
        self._plan = places
        self._budget = next(places, None)

    def cut_instead_of(self, *, answer: bool, how: Cut = Cut.RST) -> None:
        """Cut when the next bytes come, and let them fall.

        Args:
            answer: Whether these are the next bytes of the server; else the next of the client.
            how: How to cut.
        """
        self._trap = answer, how

    def stall(self) -> None:
        """Pass nothing on any more, either way, over the connections that there are; none is closed."""
        for pair in self._pairs:
            pair.flowing.clear()

    def before_reaching(self, number: int, errand: Callable[[], Awaitable[None]]) -> None:
        """Have something done for one of the next connections: when it has come, and before the server hears of it.

        Args:
            number: Which; 1 is the next.
            errand: What is done.
        """
        self._errands[self.opened + number] = errand

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listening)
            self.opened += 1
            server = socket.socket()
            pair = Pair(client, server)
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._pairs[pair] = asyncio.create_task(self._serve(pair, self.opened))
            task.add_done_callback(partial(self._close, pair))

    async def _serve(self, pair: Pair, number: int) -> None:
        if number in self._errands:
            await self._errands.pop(number)()
        try:
            await asyncio.get_running_loop().sock_connect(pair.server, self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(pair, pair.client, pair.server, answer=False))
                group.create_task(self._pass_on(pair, pair.server, pair.client, answer=True))
        except* OSError:
            pass  # One side has reset it, which the other one learns by the same.

    def _close(self, pair: Pair, _: object) -> None:
        # Not in the task itself: one that is cancelled before it has begun runs nothing of it.
        del self._pairs[pair]
        pair.close()

    async def _pass_on(self, pair: Pair, source: socket.socket, sink: socket.socket, *, answer: bool) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, CHUNK_BYTES):
            await pair.flowing.wait()
            if self._trap is not None and self._trap[0] is answer:
                (_, how), self._trap = self._trap, None
                self.cut(how)
                return
            if not answer:
                await loop.sock_sendall(sink, data)
                continue
            if len(data) > self.most:
                self.cut(Cut.RST)
                return
            data, how = self._within_budget(data)
            for start in range(0, len(data), self.segment):
                await loop.sock_sendall(sink, data[start : start + self.segment])
            if how is not None:
                self.cut(how)
                return
        sink.shutdown(socket.SHUT_WR)

    def _within_budget(self, data: bytes) -> tuple[bytes, Cut | None]:
        if self._budget is None:
            return data, None
        left, how = self._budget
        if len(data) < left:
            self._budget = left - len(data), how
            return data, None
        self._budget = next(self._plan, None)
        return data[:left], how


def random_places(seed: int, cuts: int, mean: int) -> Iterator[tuple[int, Cut]]:
    """So many places to cut, in random distances and ways."""
    chance = random.Random(seed)
    for _ in range(cuts):
        yield chance.randint(1, 2 * mean), chance.choice((Cut.FIN, Cut.RST))
