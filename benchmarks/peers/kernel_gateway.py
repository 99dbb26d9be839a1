"""Jupyter Kernel Gateway: its server, one IPython kernel, and code that is run in it over a WebSocket."""

import secrets
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.peers.install import LeftOut, Package, program
from benchmarks.peers.serve import free_port, serve

PACKAGE: Final = Package("Jupyter Kernel Gateway", "jupyter_kernel_gateway", "3.0.1", ("ipykernel",))

NO_MESSAGE_LIMIT: Final = 0
"""Bytes; none for aiohttp. A kernel may put any amount of output into one message."""


class KernelGateway:
    """A client of one kernel, with a connection that is kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = uuid.uuid4().hex

    async def run(self, code: str) -> str:
        """Run code, and give what it wrote: until both the answer and the end of the output are here."""
        request = self._request(code)
        await self._socket.send_json(request)
        parts: list[str] = []
        waiting = {"execute_reply", "idle"}
        while waiting:
            message: dict[str, Any] = await self._socket.receive_json()
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream":
                parts.append(content["text"])
            elif kind == "status" and content["execution_state"] == "idle":
                waiting.discard("idle")
            elif kind == "execute_reply":
                waiting.discard("execute_reply")
                if content["status"] != "ok":
                    raise RuntimeError(f"the kernel answered {content['status']}")
        return "".join(parts)

    def _request(self, code: str) -> dict[str, Any]:
        header = {
            "msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": self._session,
            "username": "benchmark", "version": "5.3", "date": "",
        }  # fmt: skip
        content: dict[str, Any] = {
            "code": code, "silent": False, "store_history": False, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        return {
            "header": header, "parent_header": {}, "metadata": {}, "content": content,
            "channel": "shell", "buffers": [],
        }  # fmt: skip


@asynccontextmanager
async def open_kernel_gateway(programs: Path) -> AsyncGenerator[KernelGateway]:
    """Start its server and a kernel, and connect.

    Args:
        programs: The folder of its programs.

    Raises:
        LeftOut: It does not start here.
    """
    gateway = program(programs, "jupyter-kernelgateway")
    token, port = secrets.token_hex(16), free_port()
    url = f"http://127.0.0.1:{port}/api"
    arguments = [str(gateway), "--KernelGatewayApp.ip=127.0.0.1", f"--KernelGatewayApp.port={port}"]
    async with aiohttp.ClientSession(headers={"Authorization": f"token {token}"}) as session:

        async def answers() -> bool:
            async with session.get(url) as response:
                return response.status == 200

        async with serve(arguments, {"KG_AUTH_TOKEN": token}, answers), _kernel(session, url) as kernel:
            yield kernel


@asynccontextmanager
async def _kernel(session: aiohttp.ClientSession, url: str) -> AsyncGenerator[KernelGateway]:
    async with session.post(f"{url}/kernels", json={"name": "python3"}) as response:
        if response.status != 201:
            raise LeftOut(f"no kernel started: {response.status}")
        kernel = (await response.json())["id"]
    try:
        channels = f"{url}/kernels/{kernel}/channels"
        async with session.ws_connect(channels, max_msg_size=NO_MESSAGE_LIMIT) as socket:
            yield KernelGateway(socket)
    finally:
        async with session.delete(f"{url}/kernels/{kernel}"):
            pass
