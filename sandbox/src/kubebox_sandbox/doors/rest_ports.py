"""REST: whether something listens on a port of the workspace."""

from typing import Annotated

from fastapi import FastAPI, Query

from kubebox_protocol.limits import MAX_PORT_WAIT_SECONDS
from kubebox_protocol.ports import PORTS, PortState
from kubebox_sandbox.doors.rest_requests import InRooms


def add_ports(app: FastAPI) -> None:
    """Add the route of ports."""

    @app.get(f"{PORTS}/{{port}}")
    async def state(
        rooms: InRooms, port: int, wait: Annotated[float, Query(ge=0, le=MAX_PORT_WAIT_SECONDS)] = 0
    ) -> PortState:
        return PortState(port=port, open=await rooms.ports.is_open(port, wait))
