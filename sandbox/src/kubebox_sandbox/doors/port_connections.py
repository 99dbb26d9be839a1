"""Connections to ports of the workspace, each over a WebSocket of its own."""

import asyncio
import contextlib
import re
from typing import Final

from starlette.types import Receive, Scope, Send

from kubebox_protocol.errors import Refused
from kubebox_protocol.ports import METHOD, NORMAL, PORTS, RESET, connection_target
from kubebox_protocol.relay import Broken, Relay
from kubebox_protocol.tokens import Claims
from kubebox_sandbox.access import CLAIMS, Access, check_renewal
from kubebox_sandbox.answers import refuse
from kubebox_sandbox.doors.failures import told
from kubebox_sandbox.doors.frames import POLICY_VIOLATION, frame_of, message_of, say_goodbye
from kubebox_sandbox.ports import WorkspaceStream
from kubebox_sandbox.rooms import ComingRooms

_TARGET: Final = re.compile(rf"{PORTS}/([0-9]{{1,9}})/connection")


def is_connection(path: str) -> bool:
    """Whether a WebSocket's path leads here."""
    return _TARGET.fullmatch(path) is not None


class PortConnections:
    """The door.

    Args:
        access: Verifies the tokens by which connections live on.
        coming: The rooms, once they are open.
    """

    def __init__(self, access: Access, coming: ComingRooms) -> None:
        self._access = access
        self._coming = coming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket: refused before it is one, where nothing takes the connection."""
        match = _TARGET.fullmatch(scope["path"])
        assert match is not None  # noqa: S101 - nothing else is sent here; for the type checker
        port = int(match[1])
        with contextlib.ExitStack() as place:
            try:
                ports = self._coming.rooms.ports
                place.enter_context(ports.place())
                stream = await ports.connect(port)
            except Exception as error:  # The boundary of a handshake: its sender is told in our words.
                await refuse(told(error), scope, receive, send)
                return
            await self._carry(stream, port, scope, _Messages(receive, send))

    async def _carry(self, stream: WorkspaceStream, port: int, scope: Scope, messages: "_Messages") -> None:
        code, whole = RESET, False
        try:
            await messages.accept()
            life = _Life(self._access, scope[CLAIMS], port)
            async with life.lasting():
                whole = await Relay(stream, messages, life.renew).run()
            code = NORMAL if whole else RESET
        except TimeoutError:
            code = POLICY_VIOLATION
        except OSError:
            pass  # It has gone before it was there.
        finally:
            stream.close(reset=not whole)
        await messages.close(code)


class _Life:
    """How long a connection may last: until its token expires, and each new one puts that off."""

    def __init__(self, access: Access, claims: Claims, port: int) -> None:
        self._access = access
        self._claims = claims
        self._target = connection_target(port)
        self._end = asyncio.timeout(access.seconds_left(claims))

    def lasting(self) -> asyncio.Timeout:
        """Ends what is inside with `TimeoutError`, in time."""
        return self._end

    def renew(self, token: str) -> None:
        """Take the next token.

        Raises:
            Broken: It is not good for this, or not of the same key.
        """
        try:
            claims = self._access.admit(token, METHOD, self._target)
            check_renewal(claims, self._claims)
        except Refused as refused:
            raise Broken(refused.message) from None
        self._claims = claims
        self._end.reschedule(asyncio.get_running_loop().time() + self._access.seconds_left(claims))


class _Messages:
    """ASGI's WebSocket, as a relay needs it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        await self._receive()  # "websocket.connect", ASGI's own beginning.
        await self._send({"type": "websocket.accept"})

    async def send(self, message: bytes | str) -> None:
        try:
            await self._send(message_of(message))
        except RuntimeError as error:  # What uvicorn says of one that has ended in between.
            raise ConnectionResetError(str(error)) from None

    async def next(self) -> bytes | str | None:
        return frame_of(await self._receive())

    async def close(self, code: int) -> None:
        await say_goodbye(self._send, code)
