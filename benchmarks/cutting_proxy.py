"""A TCP proxy that cuts its connections after a random number of bytes, half of them without a goodbye.

A process of its own, of the standard library alone, so that it does not wait for the client under measurement.
Arguments: the server's port, how many connections to cut, the mean number of bytes until then, and a seed. It prints
its port, cuts from the first line of standard input on, and at its end prints as JSON when it cut, in seconds of the
monotonic clock.
"""

import asyncio
import json
import random
import socket
import struct
import sys
import time
from contextlib import suppress

CHUNK_BYTES = 64 * 1024
"""Bytes of one read. Cuts fall at any byte, not only between reads."""

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset, and drop what is under way."""


class Proxy:
    """Stands between clients and a server.

    Args:
        port: The server's.
        cuts: How many connections to cut.
        mean: Bytes that pass before a cut, on average.
        seed: Of all chance.
    """

    def __init__(self, port: int, cuts: int, mean: int, seed: int) -> None:
        self._port = port
        self._left = cuts
        self._mean = mean
        self._chance = random.Random(seed)
        self.cutting = False
        self.times: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on, in both directions, until one of them ends or the cut comes."""
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        life = Life(writer, far_writer)
        ways = [self._pass_on(reader, far_writer, life), self._pass_on(far_reader, writer, life)]
        await asyncio.gather(*ways)

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, life: "Life"
    ) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if self.cutting and self._left and life.bytes_left is None:
                    life.bytes_left = self._chance.randint(1, 2 * self._mean)
                cut = life.bytes_left is not None and len(data) >= life.bytes_left and self._left > 0
                target.write(data[: life.bytes_left] if cut else data)
                if cut:
                    return self._cut(life)
                if life.bytes_left is not None:
                    life.bytes_left = max(1, life.bytes_left - len(data))
                await target.drain()
        life.close()

    def _cut(self, life: "Life") -> None:
        if life.closed:
            return
        self._left -= 1
        self.times.append(time.monotonic())
        life.close(reset=self._chance.random() < 0.5)


class Life:
    """One connection, from the client to the server.

    Attributes:
        bytes_left: Until it is cut; nothing before cutting begins.
        closed: Whether it is over.
    """

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._writers = writers
        self.bytes_left: int | None = None
        self.closed = False

    def close(self, *, reset: bool = False) -> None:
        """End both sides, with a goodbye or without."""
        self.closed = True
        for writer in self._writers:
            if reset:
                raw: socket.socket = writer.get_extra_info("socket")
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                writer.transport.abort()
            else:
                writer.close()


async def main(port: int, cuts: int, mean: int, seed: int) -> None:
    """Serve until standard input ends."""
    proxy = Proxy(port, cuts, mean, seed)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    _say(str(server.sockets[0].getsockname()[1]))
    while await asyncio.to_thread(sys.stdin.readline):
        proxy.cutting = True
    server.close()
    _say(json.dumps(proxy.times))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
