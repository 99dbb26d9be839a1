"""`kubebox mcp`: sandboxes for whatever speaks the Model Context Protocol."""

import logging
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from kubebox._where import LOCAL, is_url
from kubebox.cli._attend import attend
from kubebox.cli._making import Making
from kubebox.cli._target import Target
from kubebox.cli._variables import Variables, read_variables
from kubebox.cli.app import write
from kubebox.errors import ConfigurationError, InvalidArgument
from kubebox_protocol.limits import MAX_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from kubebox.mcp.http import Address
    from kubebox.mcp.place import Place

TOKEN_VARIABLE: Final = "KUBEBOX_MCP_TOKEN"  # noqa: S105 - its name
MIN_TOKEN: Final = 16
"""Characters: a shorter token can be guessed."""

MAX_PORT: Final = 65535

PORT: Final = 8765
"""Where clients look unless told otherwise; it means nothing."""


def mcp(
    *,
    http: bool = False,
    host: str = "127.0.0.1",
    port: int = PORT,
    allow_host: Annotated[tuple[str, ...], Parameter(name="--allow-host")] = (),
    idle: float = 1800.0,
    url: str | None = None,
    config: str | None = None,
    namespace: str | None = None,
    making: Making = Making(),  # noqa: B008 - frozen
    env: Variables = (),
    max_sandboxes: int = 16,
    timeout: float = 60.0,
) -> int:
    """Serve sandboxes to a model: over standard input and output, as clients start it, or over HTTP.

    Args:
        http: Serve over streamable HTTP, and print the URL.
        host: Where to listen.
        port: The same; 0 for any that is free.
        allow_host: A name that clients may call this server by; may be repeated.
        idle: Seconds until a client over HTTP that is silent is taken to have left.
        url: The address of one sandbox's server: clients get that, each with commands of its own; $KUBEBOX_URL.
        config: A kubeconfig (path, YAML, base64 of it), or `local`; $KUBEBOX_CONFIG.
        namespace: Where sandboxes lie in the cluster, `default` unless given; $KUBEBOX_NAMESPACE.
        making: What each sandbox shall be; the model cannot go beyond it.
        env: A variable of every command: K=V, or K alone to pass on one's own; may be repeated.
        max_sandboxes: Sandboxes that a client may have at a time.
        timeout: Seconds until a sandbox that does not come is given up.
    """
    _check(port=port, idle=idle, max_sandboxes=max_sandboxes)
    _require_extra()
    from kubebox.mcp.place import Place

    where, _, space = Target(url=url, config=config, namespace=namespace).settings()
    options = making.options()
    if not is_url(where.value) and where.value != LOCAL:
        options["namespace"] = space.value
    place = Place(
        where=where.value, options=options, env=read_variables(env), most=max_sandboxes, timeout=timeout
    )
    logging.basicConfig(level=logging.WARNING, format="kubebox: %(name)s: %(message)s")
    if not http:
        return attend(_serve_stdio(place))
    from kubebox.mcp.http import Address

    return attend(
        _serve_http(place, Address(host=host, port=port, token=_token(), names=allow_host, idle=idle))
    )


async def _serve_stdio(place: "Place") -> None:
    from kubebox.mcp.stdio import serve_stdio

    await serve_stdio(place)


async def _serve_http(place: "Place", address: "Address") -> None:
    from kubebox.mcp.http import serve_http

    await serve_http(place, address, write)


def _check(*, port: int, idle: float, max_sandboxes: int) -> None:
    if max_sandboxes < 1:
        raise InvalidArgument("--max-sandboxes: must be at least 1")
    if not 0 <= port <= MAX_PORT:
        raise InvalidArgument(f"--port: must be at least 0 and at most {MAX_PORT}")
    if not 0 < idle <= MAX_TIMEOUT_SECONDS:
        raise InvalidArgument(f"--idle: must be more than 0 and at most {MAX_TIMEOUT_SECONDS:g} seconds")


def _require_extra() -> None:
    if find_spec("mcp") is None:
        raise ConfigurationError('the MCP server needs more than is installed: pip install "kubebox[mcp]"')


def _token() -> str | None:
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is not None and len(token) < MIN_TOKEN:
        raise ConfigurationError(f"${TOKEN_VARIABLE}: must have at least {MIN_TOKEN} characters")
    return token
