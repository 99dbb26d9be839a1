"""SWE-ReX: its remote server, `swerex-remote`, and the three of its calls that are measured."""

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.peers.install import Package, program
from benchmarks.peers.serve import free_port, serve

PACKAGE: Final = Package("SWE-ReX", "swe-rex", "1.4.0")

HEALTH: Final = "/is_alive"
"""What it answers while it is well."""


class SweRex:
    """A client of a SWE-ReX server, with connections that are kept.

    Attributes:
        url: The server's address.
        headers: What shows that the caller may call.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._session = session
        self.url = url
        self.headers = headers

    async def execute(self, command: Sequence[str]) -> str:
        """Run a command, and give its standard output."""
        answer = await self._post("/execute", {"command": list(command)})
        return _checked(answer, "stdout")

    async def create_session(self, name: str) -> None:
        """Start a shell that stays."""
        await self._post("/create_session", {"session": name, "session_type": "bash", "startup_timeout": 10})

    async def run_in_session(self, name: str, command: str) -> str:
        """Run a command in that shell, and give what it wrote."""
        action = {"command": command, "session": name, "action_type": "bash", "check": "silent"}
        return _checked(await self._post("/run_in_session", action), "output")

    async def close_session(self, name: str) -> None:
        """End that shell."""
        await self._post("/close_session", {"session": name, "session_type": "bash"})

    async def is_alive(self) -> bool:
        """Whether the server answers."""
        async with self._session.get(self.url + HEALTH) as response:
            return response.status == 200

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(self.url + path, json=body) as response:
            if response.status != 200:
                raise RuntimeError(f"{path} was answered by {response.status}")
            return await response.json()


@asynccontextmanager
async def open_swe_rex(programs: Path) -> AsyncGenerator[SweRex]:
    """Start its server, and connect.

    Args:
        programs: The folder of its programs.

    Raises:
        LeftOut: It does not start here.
    """
    remote = program(programs, "swerex-remote")
    token, port = secrets.token_hex(16), free_port()
    headers = {"X-API-Key": token}
    arguments = [str(remote), "--host", "127.0.0.1", "--port", str(port), "--auth-token", token]
    async with aiohttp.ClientSession(headers=headers) as session:
        rex = SweRex(session, f"http://127.0.0.1:{port}", headers)
        async with serve(arguments, {}, rex.is_alive):
            yield rex


def _checked(answer: dict[str, Any], output: str) -> str:
    if answer["exit_code"] != 0:
        raise RuntimeError(f"exit code {answer['exit_code']}")
    return str(answer[output])
