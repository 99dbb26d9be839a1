"""Asking a sandbox's server over a tunnel, before any client does: whether all is up, and who it is."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from kubebox._transport.http import Http
from kubebox._transport.payload import decode
from kubebox.cluster.translate import translate
from kubebox.errors import ConnectionFailed, NetworkOpen, PodFailed
from kubebox_cluster.errors import Forbidden
from kubebox_cluster.tunnel import Tunnel
from kubebox_protocol.identity import identity_holds
from kubebox_protocol.info import Info

PAUSES: Final = (0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
"""Seconds between two questions; the last from then on. The workspace says hello within milliseconds of its start."""

OPEN_SECONDS: Final = 20.0
"""Seconds that a network may be seen open: policies come some seconds late, and what is open after that stays so."""

DOUBT_SECONDS: Final = 5.0
"""Seconds until it is believed that the tunnel is not allowed: an API server that has just started refuses what it allows a
moment later."""


@asynccontextmanager
async def asking(tunnel: Tunnel) -> AsyncGenerator[Http]:
    """One client for all that is asked: to make one, certificates are loaded.

    Args:
        tunnel: The way to the server.
    """
    http = Http(f"http://{tunnel.address}", _unsigned, lambda: None)
    try:
        yield http
    finally:
        await http.close()


async def wait_until_up(http: Http, tunnel: Tunnel) -> None:
    """Wait until a server has its workspace, and has seen its network closed.

    Args:
        http: Asks it.
        tunnel: The way to it.

    Raises:
        NetworkOpen: The network stays open.
        ClusterForbidden: There is no way: ports may not be forwarded.
    """
    loop = asyncio.get_running_loop()
    began, tries = loop.time(), 0
    while True:
        status = await _readiness(http)
        if status == "ok":
            return
        if status == "network-open" and loop.time() - began > OPEN_SECONDS:
            raise NetworkOpen(
                "the sandbox reaches what it must not: this cluster does not enforce NetworkPolicy, so no command is "
                "started. Use a network plugin that does, or allow it with the namespace's label "
                "kubebox.dev/open-network=allowed"
            )
        if isinstance(tunnel.last_error, Forbidden) and loop.time() - began > DOUBT_SECONDS:
            raise translate(tunnel.last_error, "open a tunnel to the sandbox")
        await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


async def introduce(http: Http, uid: str) -> Info:
    """Who the server is. The way leads through the API server and the node, so nobody else can answer.

    Args:
        http: Asks it.
        uid: The pod's, which the server must show.

    Raises:
        PodFailed: It is another one's server.
    """
    nonce = secrets.token_urlsafe(32)
    info = decode(Info, await http.json("GET", "/v1/info", query={"nonce": nonce}, signed=False))
    held = identity_holds(info.identity, info.signature, nonce, info.sandbox_id, info.sandbox_uid, info.time)
    if not held or info.sandbox_uid != uid:
        raise PodFailed(f"what answers in the pod is not its server (it shows {info.sandbox_uid!r})")
    return info


async def _readiness(http: Http) -> str:
    try:
        said: Any = await http.json("GET", "/readyz", signed=False, accept=frozenset({503}))
    except (
        ConnectionFailed
    ):  # The tunnel is there before the port listens, and outlives the server's restarts.
        return "unreachable"
    status = said.get("status") if isinstance(said, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return status if isinstance(status, str) else "unreachable"


async def _unsigned(method: str, target: str) -> str:
    return ""
