"""`kubebox forward`: ports of a sandbox on this machine."""

import contextlib
import re
from typing import TYPE_CHECKING, Final

from kubebox.cli._attend import attend, with_beside
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli.app import explain, write
from kubebox.errors import InvalidArgument, NotConnected, SandboxLost, SandboxReplaced

if TYPE_CHECKING:
    from kubebox._forward import PortForward
    from kubebox.client import SandboxClient

LAST: Final = (SandboxLost, SandboxReplaced, NotConnected)
"""Why a connection went nowhere, and none will go anywhere again."""

_PORTS: Final = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,5})")


def forward(
    *ports: str,
    target: Target = Target(),  # noqa: B008 - frozen
    as_json: Json = False,
) -> int:
    """Put ports of a sandbox on this machine, until Ctrl-C.

    Args:
        ports: PORT of the sandbox, on any free one of 127.0.0.1; or LOCAL:PORT.
        target: Which sandbox.
        as_json: Print one JSON object a line: `port`, `local_port` and `url`, in the order in which they were given.
    """
    return attend(_forward([_read(one) for one in ports], target, as_json))


async def _forward(ports: list[tuple[int, int]], target: Target, as_json: bool) -> None:
    from kubebox.cli._reach import reach

    if not ports:
        raise InvalidArgument("say which port: kubebox forward PORT, or LOCAL:PORT")
    async with reach(target) as reached:
        await _forward_all(reached.client, ports, as_json)


async def _forward_all(client: "SandboxClient", ports: list[tuple[int, int]], as_json: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        forwards = [
            await stack.enter_async_context(client.ports.forward(port, local)) for local, port in ports
        ]
        for one in forwards:  # All of them, or none: what was printed works.
            if as_json:
                write_json({"port": one.port, "local_port": one.local_port, "url": one.url})
            else:
                write(one.url)
        await with_beside(*map(_tell, forwards))


async def _tell(forward: "PortForward") -> None:
    while True:
        error = await forward.refused()
        if isinstance(error, LAST):
            raise error
        explain(error)


def _read(text: str) -> tuple[int, int]:
    match = _PORTS.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"{text!r}: must be PORT, or LOCAL:PORT")
    return int(match[1] or 0), int(match[2])
