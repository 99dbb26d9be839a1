"""SWE-ReX: its remote server, `swerex-remote`, and its own client, `RemoteRuntime`, with the three calls that are measured."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.peers.install import Package, program
from benchmarks.peers.serve import free_port, serve

PACKAGE: Final = Package("SWE-ReX", "swe-rex", "1.4.0", ("aiohttp",))  # for its client

HEALTH: Final = "/is_alive"
"""What it answers while it is well."""

HOST: Final = "http://127.0.0.1"

LINE_BYTES: Final = 1024 * 1024
"""Bytes of the longest answer of its client."""


class SweRex:
    """Its client, in a process of its own, as people use it. Each call gives the seconds that the client took.

    Args:
        process: The client.
        url: The server's address.
        headers: What shows that the caller may call.
    """

    def __init__(self, process: asyncio.subprocess.Process, url: str, headers: dict[str, str]) -> None:
        self._process = process
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.url = url
        self.headers = headers

    async def execute(self, command: Sequence[str], times: int = 1) -> float:
        """Run a command, or as many at once."""
        return await self._call("execute", {"command": list(command)}, times)

    async def create_session(self, name: str) -> None:
        """Start a shell that stays."""
        await self._call("create_session", {"session": name, "startup_timeout": 10})

    async def run_in_session(self, name: str, command: str) -> float:
        """Run a command in that shell."""
        return await self._call("run_in_session", {"command": command, "session": name, "check": "silent"})

    async def close_session(self, name: str) -> None:
        """End that shell."""
        await self._call("close_session", {"session": name})

    async def read_answers(self) -> None:
        """Pass answers on until there are no more."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said: dict[str, Any] = json.loads(line)
            self._asked.pop(said["id"]).set_result(said)
        for asked in self._asked.values():
            asked.set_exception(RuntimeError("SWE-ReX's client has ended"))

    async def _call(self, call: str, fields: dict[str, Any], times: int = 1) -> float:
        assert self._process.stdin is not None
        number = len(self._asked) + secrets.randbits(60)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        question = {"id": number, "call": call, "fields": fields, "times": times}
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        said = await asked
        if "error" in said:
            raise RuntimeError(f"{call}: {said['error']}")
        if said["answer"].get("exit_code", 0) != 0:
            raise RuntimeError(f"{call}: exit code {said['answer']['exit_code']}")
        return said["seconds"]


@asynccontextmanager
async def open_swe_rex(programs: Path) -> AsyncGenerator[SweRex]:
    """Start its server, and its client.

    Args:
        programs: The folder of its programs.

    Raises:
        LeftOut: It does not start here.
    """
    remote, python = program(programs, "swerex-remote"), program(programs, "python")
    token, port = secrets.token_hex(16), free_port()
    headers = {"X-API-Key": token}
    arguments = [str(remote), "--host", "127.0.0.1", "--port", str(port), "--auth-token", token]
    url = f"{HOST}:{port}"

    async def is_alive() -> bool:
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url + HEALTH) as response:
            return response.status == 200

    async with serve(arguments, {}, is_alive):
        script = Path(__file__).with_name("swe_rex_client.py")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            str(python), str(script), HOST, str(port), token,
            stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=LINE_BYTES,
        )  # fmt: skip
        rex = SweRex(process, url, headers)
        reading = asyncio.create_task(rex.read_answers())
        try:
            yield rex
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(RuntimeError):
                await reading
            await process.wait()
