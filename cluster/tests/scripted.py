"""A server that says what a test wants, over real sockets: what a real API server cannot be made to do."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import web

from kubebox_cluster.target import Target

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """A request that came.

    Attributes:
        method: Its method.
        path: Its path, as it was sent.
        query: Its query.
        headers: Its headers.
        body: Its body; `None` for none.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class Scripted:
    """Gives one answer after the other, and the last one again and again.

    Attributes:
        asked: What it was asked.
        answers: What it will say.
        target: Where it is, and nobody in particular who asks.
    """

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[Asked] = []
        self.answers = list(answers)
        self.target = Target(server="")
        self._heard = asyncio.Condition()

    async def until_asked(self, times: int) -> None:
        """Wait until it has been asked so often."""
        async with self._heard:
            await self._heard.wait_for(lambda: len(self.asked) >= times)

    @classmethod
    @asynccontextmanager
    async def serving(
        cls, *answers: Answer, tls: ssl.SSLContext | None = None, held: socket.socket | None = None
    ) -> AsyncGenerator["Scripted"]:
        """One that serves, on a port of its own or on one that somebody has held for it."""
        scripted = cls(*answers)
        runner = web.ServerRunner(web.Server(scripted._serve, handler_cancellation=True), shutdown_timeout=1)
        await runner.setup()
        try:
            listening = socket.create_server(("127.0.0.1", 0)) if held is None else held
            site = web.SockSite(runner, listening, ssl_context=tls)
            await site.start()
            scheme = "http" if tls is None else "https"
            scripted.target = Target(server=f"{scheme}://127.0.0.1:{runner.addresses[0][1]}", source="test")
            yield scripted
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(
            request.method,
            request.raw_path.partition("?")[0],
            dict(request.query),
            dict(request.headers),
            json.loads(body) if body else None,
        )
        async with self._heard:
            self.asked.append(asked)
            self._heard.notify_all()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)  # pyright: ignore[reportArgumentType]  # a web.Request has an app besides


def says(body: Any, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


def refuses(status: int, message: str = "no", reason: str = "", **headers: str) -> Answer:
    """A refusal as Kubernetes gives it."""
    said = {"kind": "Status", "status": "Failure", "code": status, "message": message, "reason": reason}
    return says(said, status, **headers)


def text(body: str, status: int = 200, **headers: str) -> Answer:
    """An answer that is no JSON."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, headers=headers)

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """No answer: the connection breaks."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def is_silent(_: web.Request) -> web.StreamResponse:
    """No answer, and no end."""
    await asyncio.Event().wait()
    raise AssertionError
