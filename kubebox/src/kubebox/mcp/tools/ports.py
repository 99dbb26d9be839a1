"""Ports of a sandbox."""

from pydantic import Field

from kubebox.mcp.limits import MAX_WAIT_SECONDS
from kubebox.mcp.tool import READS, Call, Told, tool
from kubebox.mcp.tools.sandboxes import OneSandbox


class OpenPort(OneSandbox):
    """Arguments of `open_port`."""

    port: int = Field(ge=1, le=65535, description="The port that a process in the sandbox listens on.")
    wait_seconds: float = Field(
        default=10.0,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Seconds to wait for somebody to listen there; 0 does not look.",
    )


class PortTold(Told):
    """A port that can be reached."""

    port: int
    url: str = Field(description="Where it answers, for programs beside this server, outside of the sandbox.")


@tool(READS)
async def open_port(asked: OpenPort, call: Call) -> PortTold:
    """Get a URL for a port of a sandbox, so that programs outside of it reach a server inside; start that first."""
    ports = call.find(asked.sandbox_id).sandbox.ports
    if asked.wait_seconds > 0:
        await ports.wait(asked.port, timeout=asked.wait_seconds)
    return PortTold(port=asked.port, url=await ports.url(asked.port))
