"""One connection of this machine, carried to a port of the workspace and back."""

import asyncio
import socket
from typing import Final

from kubebox._transport.base import Channel, Transport
from kubebox.errors import KubeboxError
from kubebox_protocol.limits import MAX_TOKEN_LIFETIME_SECONDS
from kubebox_protocol.ports import METHOD, NORMAL, RESET, Remark, write_remark
from kubebox_protocol.relay import Relay
from kubebox_protocol.tcp import TcpConnection, reset_when_closed

RENEW_AFTER_SECONDS: Final = MAX_TOKEN_LIFETIME_SECONDS * 2 / 3
"""Seconds until a connection's token is followed by the next: leaves five minutes to sign it in."""

RETRY_SECONDS: Final = 30.0
"""Seconds until that is tried again, where it failed."""


async def carry(transport: Transport, target: str, accepted: socket.socket) -> None:
    """Carry all bytes of a connection both ways, until it has ended. Closing it is the caller's.

    Args:
        transport: The way to the server.
        target: What the channel leads to.
        accepted: The connection.

    Raises:
        KubeboxError: The server was not reached, or nothing listens there.
    """
    channel = await transport.open_channel(target)
    whole = False
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(_keep_renewing(transport, target, channel))
            whole = await Relay(_LocalStream(accepted), channel).run()
            renewing.cancel()
    finally:
        if not whole:
            reset_when_closed(accepted)
        await channel.close(NORMAL if whole else RESET)


async def _keep_renewing(transport: Transport, target: str, channel: Channel) -> None:
    pause = RENEW_AFTER_SECONDS
    while True:
        await asyncio.sleep(pause)
        try:
            token = await transport.token(METHOD, target, MAX_TOKEN_LIFETIME_SECONDS)
            await channel.send(write_remark(Remark(token=token)))
        except OSError as error:
            if not isinstance(error, KubeboxError):
                return  # It has ended, as the relay sees as well.
            pause = RETRY_SECONDS
        except KubeboxError:
            pause = RETRY_SECONDS
        else:
            pause = RENEW_AFTER_SECONDS


class _LocalStream(TcpConnection):
    """A connection of this machine, as a relay needs it."""

    async def receive(self, most: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._connection, most)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._connection, data)
