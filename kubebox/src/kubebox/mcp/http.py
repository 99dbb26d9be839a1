"""MCP over HTTP: each session is a client of its own. Nobody elsewhere gets in without a token, and no web page does at all."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from kubebox._where import bracketed
from kubebox.errors import ConfigurationError, InvalidArgument
from kubebox.mcp.clients import Clients
from kubebox.mcp.guard import App, Guard
from kubebox.mcp.place import Place
from kubebox.mcp.server import make_server

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine for itself. A page whose name was made to lead here still sends its own name, and is refused."""

IDLE_SECONDS: Final = 1800.0
"""Seconds until a client that neither asks nor listens is taken to have left, and its sandboxes end."""

MAX_SESSIONS: Final = 1000
"""Clients at a time: a token is no licence to fill this machine's memory."""

SHUTDOWN_SECONDS: Final = 3
"""Seconds that open answers get when the server ends."""

BACKLOG: Final = 128
"""Connections that wait to be taken up."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where to listen, and for whom.

    Attributes:
        host: A name or an address of this machine.
        port: 0 for any that is free.
        token: What every request must bring; without one, none does.
        names: Names that clients may call the server by, besides `host`.
        idle: Seconds until a silent client is taken to have left.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = field(default=None, repr=False)
    names: Sequence[str] = ()
    idle: float = IDLE_SECONDS


async def serve_http(place: Place, address: Address, tell: Callable[[str], None]) -> None:
    """Serve until this is cancelled.

    Args:
        place: Where clients' sandboxes are made. They end with their client, or with this.
        address: Where to listen.
        tell: Is told the URL, as soon as it answers.

    Raises:
        ConfigurationError: It would listen for others than this machine without a token.
        InvalidArgument: There is no listening at this address.
    """
    check(address)
    with _listen(address) as listening:
        port = listening.getsockname()[1]
        async with Clients(place) as clients:
            server = make_server(clients)
            app = server.streamable_http_app(
                streamable_http_path=PATH,
                transport_security=_security(address),
                session_idle_timeout=address.idle,
                max_sessions=MAX_SESSIONS,
                host=address.host,
            )
            await _serve(
                Guard(app, address.token),
                server.session_manager,
                listening,
                lambda: tell(_url(address.host, port)),
            )


def check(address: Address) -> None:
    """Refuse an address that would let anybody in.

    Raises:
        ConfigurationError: It is one.
    """
    if not is_loopback(address.host) and not address.token:
        raise ConfigurationError(
            f"{address.host} can be reached from elsewhere, and whoever reaches this server runs commands in your sandboxes: "
            "set a token ($KUBEBOX_MCP_TOKEN), or listen at 127.0.0.1"
        )
    if is_any(address.host) and not address.names:
        raise ConfigurationError(
            f"{address.host} is every address of this machine: say which names clients call it by (--allow-host)"
        )


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere


def is_any(host: str) -> bool:
    """Whether it stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(host or "0.0.0.0").is_unspecified  # noqa: S104 - asked, not listened at
    except ValueError:
        return False


def _security(address: Address) -> TransportSecuritySettings:
    names = [*address.names, *(() if is_any(address.host) else (bracketed(address.host),))]
    if is_loopback(address.host):
        names += LOOPBACK
    # No page of whatever origin has business here, not even one that another program of this machine serves.
    return TransportSecuritySettings(
        allowed_hosts=[each for name in names for each in (name, f"{name}:*")], allowed_origins=[]
    )


def _listen(address: Address) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidArgument(f"cannot listen at {address.host}: {error}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise InvalidArgument(f"cannot listen at {address.host}, port {address.port}: {error}") from None
    return listening


async def _serve(
    app: App, sessions: StreamableHTTPSessionManager, listening: socket.socket, ready: Callable[[], None]
) -> None:
    config = uvicorn.Config(
        app,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _Server(config, ready)
    serving: asyncio.Future[None] | None = None
    try:
        async with sessions.run():
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            try:
                await asyncio.shield(serving)
            finally:
                server.should_exit = True
    finally:
        # By now the sessions have ended: the server would wait for those who only listen.
        if serving is not None:
            await asyncio.wait({serving})


class _Server(uvicorn.Server):
    """Says when it answers, and leaves signals to the command line."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _url(host: str, port: int) -> str:
    return f"http://{bracketed(host)}:{port}{PATH}"
