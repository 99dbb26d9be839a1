"""Ports of the workspace: whether something listens there, and what is said on a connection beside its bytes."""

from typing import Final

from pydantic import ConfigDict, Field, ValidationError

from kubebox_protocol.base import Answer
from kubebox_protocol.limits import MAX_CREDIT_BYTES, MAX_REMARK_BYTES, MAX_TOKEN_BYTES

PORTS: Final = "/v1/ports"

METHOD: Final = "GET"
"""What a connection's tokens are bound to, beside its target."""

NORMAL: Final = 1000
"""The WebSocket's code where all went to its end."""

RESET: Final = 4000
"""The WebSocket's code where a connection broke off: whoever holds the other end of it shall see that it is not whole."""


def port_target(port: int) -> str:
    """Where it is asked whether something listens on a port."""
    return f"{PORTS}/{port}"


def connection_target(port: int) -> str:
    """Where a connection to a port is opened, and what its tokens are bound to."""
    return f"{PORTS}/{port}/connection"


class PortState(Answer):
    """Whether something listens on a port.

    Attributes:
        port: The port.
        open: Whether it took a connection.
    """

    port: int
    open: bool


class Remark(Answer):
    """A text message of a connection; bytes are binary ones.

    Attributes:
        credit: Bytes more that may be sent to whoever says this.
        end: Nothing more comes from whoever says this. The other direction goes on.
        token: The client's next one, before the last one expires.
    """

    model_config = ConfigDict(strict=True)

    credit: int = Field(default=0, ge=0, le=MAX_CREDIT_BYTES)
    end: bool = False
    token: str | None = Field(default=None, max_length=MAX_TOKEN_BYTES)


def write_remark(remark: Remark) -> str:
    """A remark as it travels."""
    return remark.model_dump_json(exclude_defaults=True)


def read_remark(text: str) -> Remark | None:
    """A remark that has come; `None` where it is none."""
    if len(text) > MAX_REMARK_BYTES:
        return None
    try:
        return Remark.model_validate_json(text)
    except ValidationError:
        return None
