"""The MCP server: its tools, whoever asks and over whatever."""

from typing import Any, Final

from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.types import (
    INVALID_PARAMS,
    UNSUPPORTED_PROTOCOL_VERSION,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    UnsupportedProtocolVersionErrorData,
)
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from kubebox import __version__
from kubebox._alone import alone
from kubebox.errors import KubeboxError
from kubebox.mcp.clients import Clients
from kubebox.mcp.failures import crashed, failed
from kubebox.mcp.tool import Call
from kubebox.mcp.tools import TOOLS

INSTRUCTIONS: Final = """\
Computers that you may break: each sandbox is an isolated Linux machine of your own, where you can run any command, and which
is thrown away afterwards. Begin with create_sandbox and give its sandbox_id to the other tools. Files live in /workspace;
relative paths begin there, and so do commands. run_command waits for a command; start_process leaves one running, such as a
server. Output and files that are long come in part, and each answer says how to read the rest. A failed call says
"code: what happened, and what to do": a command that exits with another code than 0 is no failed call. When you are done,
kill_sandbox.
"""

Context = ServerRequestContext[Any, Any]


def make_server(clients: Clients) -> Server[Any]:
    """Make the server.

    Args:
        clients: Whose sandboxes are whose.
    """

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[tool.definition for tool in TOOLS.values()])

    async def call_tool(context: Context, asked: CallToolRequestParams) -> CallToolResult:
        tool = TOOLS.get(asked.name)
        if tool is None:
            raise MCPError(code=INVALID_PARAMS, message=f"there is no tool {asked.name!r}")

        async def report(seconds: float, words: str) -> None:
            await context.session.report_progress(seconds, None, words)

        try:
            return await alone(tool(asked.arguments or {}, Call(clients.of(context), report)))
        except KubeboxError as error:
            return failed(error)
        except Exception as error:
            # The boundary to the client: one call must not end the server, and with it all that other calls have made.
            return crashed(asked.name, error)

    server: Server[Any] = Server(
        "kubebox",
        version=__version__,
        title="Kubebox",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.middleware.append(_require_session)
    return server


async def _require_session(ctx: Context, call_next: CallNext) -> HandlerResult:
    # What a client has made is its own, so over HTTP there must be a session to know it by. The protocol's newest version has
    # none; clients that hear of this, in these words of the protocol, go on with a version that has.
    if ctx.request is not None and ctx.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS:
        data = UnsupportedProtocolVersionErrorData(
            supported=list(HANDSHAKE_PROTOCOL_VERSIONS), requested=ctx.protocol_version
        )
        raise MCPError(
            code=UNSUPPORTED_PROTOCOL_VERSION,
            message="this server keeps sandboxes for its clients, and serves versions that have sessions",
            data=data.model_dump(mode="json"),
        )
    return await call_next(ctx)
