"""Who asks: over pipes there is one client, over HTTP each session is one, and none sees what another has."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Self

from mcp.server import ServerRequestContext

from kubebox.mcp.place import Place
from kubebox.mcp.sandboxes import Sandboxes

SESSION_HEADER: Final = "mcp-session-id"
"""Where a request over HTTP says whose it is. The SDK makes these ids, at random, and refuses any other."""

THE_ONLY: Final = ""
"""The client at the other end of the pipes."""


class Clients:
    """The clients of one server, and what they have. At its end, all of that goes: `async with`.

    Args:
        place: Where their sandboxes are made.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._sandboxes: dict[str, Sandboxes] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, context: ServerRequestContext[Any, Any]) -> Sandboxes:
        """The sandboxes of whoever makes this request."""
        headers: Mapping[str, str] | None = getattr(context.request, "headers", None)
        name = THE_ONLY if headers is None else headers[SESSION_HEADER]
        if name not in self._sandboxes:
            self._sandboxes[name] = Sandboxes(self._place)
            if name != THE_ONLY:
                # What handlers are given leads to the connection by this alone, and nothing else tells of a session's end:
                # that the client has said goodbye, or has been away for too long.
                connection = context.session._connection  # pyright: ignore[reportPrivateUsage]
                connection.exit_stack.callback(self._leave, name)
        return self._sandboxes[name]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self._sandboxes):
            self._leave(name)
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _leave(self, name: str) -> None:
        # Not awaited where a session ends: its server waits for a few seconds alone, and a cluster may take longer.
        ending = asyncio.create_task(self._sandboxes.pop(name).end(), name="kubebox: a client has left")
        self._leaving.add(ending)
        ending.add_done_callback(self._leaving.discard)
