"""A server of its own process, of the standard library alone, that sends back what it gets until standard input ends."""

import asyncio
import sys


async def main() -> None:
    """Serve one connection after another, and say on which port."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main())
