"""What REST's routes have in common: the rooms, the session of the path, JSON bodies."""

import re
from typing import Annotated

from fastapi import Depends, Request

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.limits import MAX_REQUEST_BYTES
from kubebox_sandbox.doors.failures import Model, read_json
from kubebox_sandbox.rooms import Rooms
from kubebox_sandbox.sessions import Session

RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})?")
"""The one form of Range that is honoured: one range, from a first byte on. Anything else gets all of it, as HTTP allows."""


async def rooms_of(request: Request) -> Rooms:
    """The rooms, which the application's lifespan has opened."""
    return request.app.state.rooms


async def session_of(session_id: str, rooms: Annotated[Rooms, Depends(rooms_of)]) -> Session:
    """The session that the path names."""
    return rooms.sessions.get(session_id)


InRooms = Annotated[Rooms, Depends(rooms_of)]
InSession = Annotated[Session, Depends(session_of)]


async def body_of(request: Request, model: type[Model]) -> Model:
    """Read a JSON body, no further than it may be long.

    Raises:
        Refused: It is too large, or not what it should be.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_REQUEST_BYTES:
            raise Refused(
                ErrorCode.PAYLOAD_TOO_LARGE,
                f"the request is larger than {MAX_REQUEST_BYTES} bytes",
                limit=MAX_REQUEST_BYTES,
            )
        pieces.append(piece)
    return read_json(model, b"".join(pieces))
