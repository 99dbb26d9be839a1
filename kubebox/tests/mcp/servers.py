"""The real `kubebox mcp`, as a process of its own, and the official client at its other end."""

import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from httpx2 import AsyncClient
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from kubebox.mcp.failures import ERROR_KEY
from tests.command_line import KUBEBOX, PATIENCE

TOKEN = "a-token-of-this-test"

HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def heed_interrupts() -> None:
    """In a child: Ctrl-C shall end it, even where whoever runs the tests in the background has shut their ears to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Mcp:
    """The command, with an environment of the test's own.

    Attributes:
        folder: Where it keeps its key, and its log goes.
        place: Where sandboxes leave their traces: empty when they are gone.
    """

    folder: Path
    place: Path

    @property
    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEBOX_")}
        return {**kept, "XDG_CONFIG_HOME": str(self.folder), "TMPDIR": str(self.place)}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def is_empty(self) -> bool:
        """Whether no sandbox is there."""
        return list(self.place.iterdir()) == []

    async def becomes_empty(self) -> None:
        """Wait until every sandbox is gone."""
        with anyio.fail_after(PATIENCE):
            while not self.is_empty:
                await anyio.lowlevel.checkpoint()

    @asynccontextmanager
    async def stdio(self, *flags: str, mode: str = "auto") -> AsyncGenerator["Guest"]:
        """A client that starts the server for itself."""
        server = StdioServerParameters(command=KUBEBOX, args=["mcp", *flags], env=self.variables)
        with (self.folder / "log").open("w") as log:
            async with Client(stdio_client(server, errlog=log), mode=mode) as client:
                yield Guest(client)

    @contextmanager
    def http(self, *flags: str, **variables: str) -> Generator["HttpServer"]:
        """A server that listens."""
        with (
            (self.folder / "log").open("w") as log,
            subprocess.Popen(
                [KUBEBOX, "mcp", "--http", "--port", "0", *flags],
                env=self.variables | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=heed_interrupts,
            ) as process,
        ):
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip()
                assert url, self.log
                yield HttpServer(process, url)
            finally:
                process.kill()


@dataclass(frozen=True)
class HttpServer:
    """A server that listens.

    Attributes:
        process: It.
        url: Where.
    """

    process: subprocess.Popen[str]
    url: str

    @asynccontextmanager
    async def client(
        self, token: str | None = None, *, mode: str = "auto", polite: bool = True
    ) -> AsyncGenerator["Guest"]:
        """A client of it.

        Args:
            token: What it brings.
            mode: How it speaks.
            polite: Whether it says goodbye.
        """
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        async with AsyncClient(headers=headers, timeout=PATIENCE) as http:
            transport = streamable_http_client(self.url, http_client=http, terminate_on_close=polite)
            async with Client(transport, mode=mode) as client:
                yield Guest(client)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@dataclass(frozen=True)
class Guest:
    """Whoever uses a server.

    Attributes:
        client: The official client.
    """

    client: Client

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool."""
        with anyio.fail_after(PATIENCE):
            return await self.client.call_tool(tool, arguments)

    async def get(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that works, and give its answer."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, result.content
        return result.structured_content

    async def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that fails, and give the error: what machines get of it and what models get."""
        result = await self.call(tool, **arguments)
        assert result.is_error, result.structured_content
        assert result.structured_content is None
        assert result.meta is not None
        error: dict[str, Any] = result.meta[ERROR_KEY]
        (content,) = result.content
        assert isinstance(content, TextContent)
        assert content.text == f"{error['code']}: {error['message']}"
        return error

    async def create(self, **arguments: Any) -> str:
        """Make a sandbox, and give its id."""
        sandbox_id: str = (await self.get("create_sandbox", **arguments))["sandbox_id"]
        return sandbox_id

    async def processes(self, sandbox_id: str) -> list[dict[str, Any]]:
        """What a sandbox says of its processes."""
        return (await self.get("list_processes", sandbox_id=sandbox_id))["processes"]

    async def give_up(self, sandbox_id: str, command: str) -> dict[str, Any]:
        """Call for a command, cancel that when it runs, and give what its process is said to be when it has ended."""
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as calling:
                arguments = {"sandbox_id": sandbox_id, "command": command}
                calling.start_soon(self.client.call_tool, "run_command", arguments)
                while not await self.processes(sandbox_id):
                    pass
                calling.cancel_scope.cancel()
            while True:
                (process,) = await self.processes(sandbox_id)
                if process["state"] == "ended":
                    return process

    async def sandboxes(self) -> list[str]:
        """The ids of its sandboxes."""
        return [one["sandbox_id"] for one in (await self.get("list_sandboxes"))["sandboxes"]]


def calling(tool: str) -> dict[str, Any]:
    """A message that calls a tool without arguments."""
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
