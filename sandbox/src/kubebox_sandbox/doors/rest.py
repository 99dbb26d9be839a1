"""REST under `/v1`: the FastAPI application, who the sandbox is, sessions; and how errors are answered."""

import base64
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.identity import MAX_NONCE_LENGTH, sign_identity
from kubebox_protocol.info import Health, Info
from kubebox_protocol.keys import raw_public_key
from kubebox_protocol.limits import PROTOCOL_VERSION
from kubebox_protocol.sessions import InitializeSession, SessionList, SessionRecord
from kubebox_sandbox import __version__
from kubebox_sandbox.doors.failures import ROUTE_NOT_FOUND, invalid
from kubebox_sandbox.doors.rest_executions import add_executions
from kubebox_sandbox.doors.rest_files import add_files
from kubebox_sandbox.doors.rest_ports import add_ports
from kubebox_sandbox.doors.rest_requests import InRooms, body_of
from kubebox_sandbox.doors.rest_uploads import add_uploads


def rest_app() -> FastAPI:
    """The REST door. The rooms come with the application's lifespan, as `app.state.rooms`."""
    app = FastAPI(
        title="Kubebox sandbox", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    _add_identity(app)
    _add_sessions(app)
    add_executions(app)
    add_files(app)
    add_ports(app)
    add_uploads(app)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    return app


def _add_identity(app: FastAPI) -> None:
    @app.get("/healthz", response_model_exclude_defaults=True)
    async def healthz() -> Health:
        return Health(status="ok")

    @app.get("/readyz", response_model_exclude_defaults=True)
    async def readyz(rooms: InRooms, response: Response) -> Health:
        refusal = rooms.canary.refusal
        if refusal is None and rooms.workspace.connected:
            return Health(status="ok")
        response.status_code = 503
        if refusal is None:
            return Health(status=rooms.workspace.absence)
        return Health(status=rooms.canary.status, message=refusal.message)

    @app.get("/v1/info")
    async def info(rooms: InRooms, nonce: Annotated[str, Query(max_length=MAX_NONCE_LENGTH)] = "") -> Info:
        settings, now = rooms.settings, rooms.access.clock()
        return Info(
            protocol=PROTOCOL_VERSION,
            version=__version__,
            sandbox_id=settings.sandbox_id,
            sandbox_uid=settings.sandbox_uid,
            time=now,
            roots=settings.roots,
            profile=settings.profile,
            identity=base64.b64encode(raw_public_key(rooms.identity.public_key())).decode("ascii"),
            signature=sign_identity(rooms.identity, nonce, settings.sandbox_id, settings.sandbox_uid, now),
        )


def _add_sessions(app: FastAPI) -> None:
    @app.post("/v1/sessions")
    async def initialize_session(rooms: InRooms, request: Request) -> SessionRecord:
        return await rooms.sessions.initialize(await body_of(request, InitializeSession))

    @app.get("/v1/sessions")
    async def list_sessions(rooms: InRooms) -> SessionList:
        return SessionList(sessions=rooms.sessions.all())


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - it is registered for nothing else; for the type checker
    return JSONResponse(error.body().model_dump(), status_code=error.status)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return await _refused(request, invalid([dict(found) for found in error.errors()]))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    refused = {
        404: ROUTE_NOT_FOUND,
        405: Refused(ErrorCode.METHOD_NOT_ALLOWED, "that method is not allowed here"),
    }.get(error.status_code, Refused(ErrorCode.INVALID_REQUEST, "the request is not valid"))
    return await _refused(request, refused)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # Nobody is there to read it.
