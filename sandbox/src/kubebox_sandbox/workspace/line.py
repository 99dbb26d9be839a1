"""One connection to the workspace: packets and descriptors in and out, never blocking."""

import array
import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.workspace.closer import Closer
from kubebox_sandbox.workspace.descriptors import close_all, duplicates
from kubebox_sandbox.workspace.messages import Misbehaved

MAX_PACKET_BYTES = 64 * 1024
"""Bytes of one packet, both ways. Larger requests go in a memfd."""

MAX_QUEUED_PACKETS = 512
"""Packets that wait because the workspace does not read. More, and the line counts as broken."""

MAX_DESCRIPTORS = 253
"""Descriptors that the kernel takes with one packet (SCM_MAX_FD). An answer carries five at most, but what there is no room
for the kernel closes itself, inside of the call, however long that takes."""

MAX_REST_PACKETS = 1024
"""Packets that are still read of a workspace that has ended: more than a socket's buffer holds, and an end to it where another
process goes on writing."""

NO_ROOM: list[int] = []
"""Stands for descriptors that could not be taken, since the server has as many open as it may."""

_CUT, _WITHOUT_ALL = (
    int(socket.MSG_TRUNC),
    int(socket.MSG_CTRUNC),
)  # As flags, each look at one costs a microsecond.
_SPACE = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i", [0]).itemsize)


class Line:
    """A connected SEQPACKET socket.

    Args:
        connection: The socket; the line owns it.
        closer: Closes the connection, which may hold what nobody has read, and what came unexpectedly.
        on_packet: Called with each packet and its descriptors, which it owns, or `NO_ROOM`; raises `Misbehaved` to break
            the line.
        on_broken: Called once with the reason when the line has ended, unless `close` ended it.
    """

    def __init__(
        self,
        connection: socket.socket,
        closer: Closer,
        on_packet: Callable[[bytes, list[int]], None],
        on_broken: Callable[[str, bool], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._closer = closer
        self._on_packet = on_packet
        self._on_broken = on_broken
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self._room = bytearray(MAX_PACKET_BYTES + 1)
        self.open = True
        connection.setblocking(False)
        self._loop.add_reader(connection.fileno(), self._read)

    def send(self, packet: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a packet, now or as soon as the workspace reads.

        The descriptors stay the caller's, who may close them at once.

        Raises:
            Refused: The kernel takes no more descriptors in flight.
        """
        if not self._queue and self._send_now(packet, descriptors):
            return
        if not self.open:
            return
        if len(self._queue) >= MAX_QUEUED_PACKETS:
            self._break("it does not read its requests", misbehaved=True)
            return
        if not self._queue:
            self._loop.add_writer(self._connection.fileno(), self._writable)
        self._queue.append((packet, duplicates(descriptors)))

    def read_rest(self) -> None:
        """Take what the workspace said before it ended: it may be the ends of commands."""
        for _ in range(MAX_REST_PACKETS):
            if not self.open or not self._read():
                return

    def close(self) -> None:
        """End the line."""
        if not self.open:
            return
        self.open = False
        self._loop.remove_reader(self._connection.fileno())
        self._loop.remove_writer(self._connection.fileno())
        self._closer.hang_up(self._connection)
        for _, descriptors in self._queue:
            close_all(descriptors)
        self._queue.clear()

    def fail(self, reason: str) -> None:
        """End the line because the workspace breaks its rules."""
        self._break(reason, misbehaved=True)

    def end(self, reason: str) -> None:
        """End the line because the workspace has ended."""
        self._break(reason, misbehaved=False)

    def _break(self, reason: str, *, misbehaved: bool) -> None:
        if self.open:
            self.close()
            self._on_broken(reason, misbehaved)

    def _send_now(self, packet: bytes, descriptors: Sequence[int]) -> bool:
        rights = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        )
        try:
            self._connection.sendmsg([packet], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            pass  # It has closed the line. What it said before lies there still, and is read up to the end.
        except OSError as error:
            if error.errno in (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM):
                raise Refused(
                    ErrorCode.WORKSPACE_EXHAUSTED, "too many descriptors are on their way"
                ) from None
            self._break(f"sending failed: {os.strerror(error.errno or 0)}", misbehaved=False)
        return True

    def _writable(self) -> None:
        while self._queue and self.open:
            packet, descriptors = self._queue[0]
            try:
                if not self._send_now(packet, descriptors):
                    return
            except Refused as refused:
                self._break(refused.message, misbehaved=False)
                return
            if self.open:
                self._queue.popleft()
                close_all(descriptors)
        if self.open:
            self._loop.remove_writer(self._connection.fileno())

    def _read(self) -> bool:
        """Take one packet, and say whether there was one.

        To look for another costs more than most have to say, and the loop calls again while there are more.
        """
        try:
            count, ancillary, flags, _ = self._connection.recvmsg_into(
                [self._room], _SPACE, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except ConnectionResetError:
            # It closed without reading all of ours. That is told first, and once; what it had said comes after it. Now, since
            # uvloop looks no more at a socket that had an error.
            self.read_rest()
            self._break("it closed the line", misbehaved=False)
            return False
        except OSError as error:
            self._break(f"reading failed: {os.strerror(error.errno or 0)}", misbehaved=False)
            return False
        self._take(count, flags, _received(ancillary) if ancillary else [])
        return True

    def _take(self, count: int, flags: int, descriptors: list[int]) -> None:
        if count == 0:
            self._closer.give(descriptors)
            self._break("it closed the line", misbehaved=False)
            return
        if count > MAX_PACKET_BYTES or flags & _CUT:
            self._closer.give(descriptors)
            self._break(f"a packet is longer than {MAX_PACKET_BYTES} bytes", misbehaved=True)
            return
        if flags & _WITHOUT_ALL:
            # There is room for as many as the kernel passes at once, so it is the server that has no descriptor left.
            self._closer.give(descriptors)
            descriptors = NO_ROOM
        try:
            self._on_packet(bytes(memoryview(self._room)[:count]), descriptors)
        except Misbehaved as misbehaved:
            self._break(str(misbehaved), misbehaved=True)


def _received(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
