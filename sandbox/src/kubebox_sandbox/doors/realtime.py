"""Socket.IO: the door for commands and their output as it comes."""

from typing import Any, cast

from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from kubebox_protocol import events
from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import (
    ExecutionList,
    ExecutionRequest,
    ListRequest,
    SessionRequest,
    StartRequest,
)
from kubebox_protocol.output import AttachRequest, CreditRequest
from kubebox_protocol.packets import Event
from kubebox_protocol.sessions import InitializeSession
from kubebox_protocol.shells import ShellCommand
from kubebox_protocol.steering import (
    InputAnswer,
    InputRequest,
    KillRequest,
    ResizeRequest,
    SignalAnswer,
    SignalRequest,
)
from kubebox_sandbox.access import CLAIMS, Access, check_renewal, missing
from kubebox_sandbox.answers import refuse
from kubebox_sandbox.doors.connection import Connection, end_of, shell_result
from kubebox_sandbox.doors.failures import ROUTE_NOT_FOUND, read_model, told
from kubebox_sandbox.doors.socketio_server import SocketConnection, SocketServer
from kubebox_sandbox.rooms import ComingRooms, Rooms

QUICK_SECONDS = 0.005
"""Seconds that an answer to a start waits for the command's end: many end in less, and one message costs less than two."""


class Realtime:
    """The Socket.IO door.

    Args:
        access: Verifies the tokens of connections.
        coming: The rooms, once they are open.
    """

    def __init__(self, access: Access, coming: ComingRooms) -> None:
        self._access = access
        self._coming = coming
        self._server = SocketServer(self._connect, self._disconnect, self._event)
        self._connections: dict[SocketConnection, Connection] = {}
        self._handlers = {
            events.INITIALIZE_SESSION: self._initialize_session,
            events.LIST_SESSIONS: self._list_sessions,
            events.START: self._start,
            events.ATTACH: self._attach,
            events.DETACH: self._detach,
            events.STATUS: self._status,
            events.LIST_EXECUTIONS: self._list_executions,
            events.KILL: self._kill,
            events.KILL_ALL: self._kill_all,
            events.SIGNAL: self._signal,
            events.INPUT: self._input,
            events.RESIZE: self._resize,
            events.SHELL_RUN: self._shell_run,
            events.RENEW_TOKEN: self._renew,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket."""
        if scope["type"] != "websocket":
            refused = Refused(
                ErrorCode.INVALID_REQUEST, "Socket.IO is served over WebSocket alone: transport=websocket"
            )
            await refuse(refused, scope, receive, send)
            return

        await self._server.serve(scope, receive, send, self._open_rooms.tasks)

    @property
    def _open_rooms(self) -> Rooms:
        return self._coming.rooms

    def _connect(self, socket: SocketConnection, scope: Scope, auth: Any) -> None:
        claims = scope.pop(CLAIMS, None)
        if claims is None:
            claims = self._access.admit_handshake(_token(auth))
        connection = Connection(claims, self._open_rooms.tasks, socket.emit)
        self._connections[socket] = connection
        self._expire(socket, connection)

    def _expire(self, socket: SocketConnection, connection: Connection) -> None:
        def close() -> None:
            self._open_rooms.tasks.start(socket.close)

        connection.expire_after(self._access.seconds_left(connection.claims), close)

    def _disconnect(self, socket: SocketConnection) -> None:
        connection = self._connections.pop(socket, None)
        if connection is not None:
            connection.close()

    async def _event(self, socket: SocketConnection, message: Event) -> Any:
        connection = self._connections.get(socket)
        if connection is None:
            return {"error": told(missing()).body().model_dump()}
        event, arguments, _ = message
        fields = arguments[0] if len(arguments) == 1 else None
        if event == events.CREDIT:
            return _credit(connection, fields)
        try:
            handler = self._handlers.get(event)
            if handler is None:
                raise ROUTE_NOT_FOUND
            connection.begin_request()
            try:
                answer = await handler(socket, connection, fields)
            finally:
                connection.end_request()
        except Exception as error:  # The boundary of a message: its sender is told in our words.
            return {"error": told(error).body().model_dump()}
        return {"ok": answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer}

    async def _initialize_session(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        return await self._open_rooms.sessions.initialize(read_model(InitializeSession, fields))

    async def _list_sessions(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        return {"sessions": [session.model_dump() for session in self._open_rooms.sessions.all()]}

    async def _start(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        rooms = self._open_rooms
        request = read_model(StartRequest, fields)
        session = rooms.sessions.get(request.session_id)
        # Before it starts: whoever is refused must not find it running.
        with connection.place_kept(request.start.execution_id, request.credit):
            record, _ = await rooms.executions.start(session, request.start)
        if request.end_inline and request.credit == 0 and await record.ends_within(QUICK_SECONDS):
            return {"ended": end_of(record, inline=True)}
        if self._connections.get(socket) is connection:
            connection.read(record, 0, request.credit)
        return {"execution": record.view().model_dump(mode="json", exclude_defaults=True)}

    async def _attach(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(AttachRequest, fields)
        record = self._record(request)
        connection.read(record, request.offset, request.credit, request.keep)
        return record.view()

    async def _detach(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        connection.detach(read_model(ExecutionRequest, fields).execution_id)
        return {}

    async def _status(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        return self._record(read_model(ExecutionRequest, fields)).view()

    async def _list_executions(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(ListRequest, fields)
        session = self._open_rooms.sessions.get(request.session_id)
        records, next = self._open_rooms.executions.page(session, request.after, request.limit)
        return ExecutionList(
            executions=[record.view() for record in records], next=None if next is None else str(next)
        )

    async def _signal(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(SignalRequest, fields)
        count = await self._open_rooms.executions.signal(self._record(request), request.signal)
        return SignalAnswer(signalled=count)

    async def _input(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(InputRequest, fields)
        record = self._record(request)
        await record.is_there()
        if self._connections.get(socket) is not connection:
            raise missing()  # It would hold the right to write for ever.
        connection.writes_to(record)
        return InputAnswer(offset=await self._open_rooms.executions.give(record, connection, request.input))

    async def _resize(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(ResizeRequest, fields)
        await self._open_rooms.executions.resize(self._record(request), request.size)
        return {}

    async def _shell_run(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(ShellCommand, fields)
        record = self._record(request)
        result = await self._open_rooms.executions.run_in_shell(record, request)
        return shell_result(record, result)

    async def _kill(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        request = read_model(KillRequest, fields)
        return await self._open_rooms.executions.kill(self._record(request), request.kill)

    async def _kill_all(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        session = self._open_rooms.sessions.get(read_model(SessionRequest, fields).session_id)
        return await self._open_rooms.executions.kill_all(session)

    async def _renew(self, socket: SocketConnection, connection: Connection, fields: Any) -> Any:
        claims = self._access.admit_handshake(_token(fields))
        check_renewal(claims, connection.claims)
        connection.claims = claims
        self._expire(socket, connection)
        return {}

    def _record(self, request: ExecutionRequest) -> Any:
        session = self._open_rooms.sessions.get(request.session_id)
        return self._open_rooms.executions.get(session, request.execution_id)


def _credit(connection: Connection, fields: Any) -> Any:
    try:
        request = read_model(CreditRequest, fields)
        connection.grant(request.execution_id, request.credit)
    except Refused as refused:
        return {"error": refused.body().model_dump()}
    return {"ok": {}}


def _token(fields: Any) -> Any:
    return cast("dict[str, Any]", fields).get("token") if isinstance(fields, dict) else None
