"""A real server with a real init, over real HTTP and WebSocket."""

import os
import signal
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import socketio
import uvicorn
from anyio.abc import Process

from kubebox_protocol import events
from kubebox_protocol.keys import new_private_key, public_pem, read_private_key
from kubebox_protocol.tokens import HANDSHAKE_TARGET, audience, sign_token
from kubebox_sandbox.app import create_app
from kubebox_sandbox.listen import listen
from kubebox_sandbox.serve import configuration
from kubebox_sandbox.settings import Settings

INIT = Path(__file__).parents[1] / "src/kubebox_sandbox/bin/init"
PATIENCE = 20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def eventually(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for what tells nobody that it has happened, such as a file that goes or a server that listens."""
    with anyio.fail_after(PATIENCE):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await anyio.sleep(0.01)


class Sandbox:
    """A running server, as its tests see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.control = folder / "control"
        self.state = folder / "state"
        for each in (self.workspace, self.control, self.state):
            each.mkdir()
        self.key = read_private_key(new_private_key())
        self.listening = listen("127.0.0.1", 0)
        self.port: int = self.listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE)
        self.settings_overrides: dict[str, Any] = {}
        self.init: Process

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Its client, and the socket on which one server after the other listens."""
        with self.listening:
            async with self.http:
                yield

    def settings(self) -> Settings:
        fields: dict[str, Any] = {
            "sandbox_id": "test",
            "sandbox_uid": "body-1",
            "public_keys": public_pem(self.key),
            "control": self.control,
            "state": self.state,
            "workspace_uid": os.getuid(),
            "roots": [str(self.workspace)],
            **self.settings_overrides,
        }
        return Settings(**fields)

    def token(self, method: str, target: str, **changes: Any) -> str:
        fields: dict[str, Any] = {"audience": audience("test", "body-1"), "now": time.time(), **changes}
        return sign_token(fields.pop("key", self.key), method=method, target=target, **fields)

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        request = self.http.build_request(method, path, **options)
        target = request.url.raw_path.decode("ascii")
        if "authorization" not in request.headers:
            request.headers["authorization"] = f"Bearer {self.token(method, target)}"
        return await self.http.send(request)

    async def session(self, name: str = "main", path: str = "", **fields: Any) -> None:
        answer = await self.request("POST", "/v1/sessions", json={"session_id": name, "path": path, **fields})
        assert answer.status_code == 200, answer.text

    async def start(self, command: Any, session: str = "main", **fields: Any) -> dict[str, Any]:
        body = {"execution_id": str(uuid.uuid4()), "command": command, "mode": "background", **fields}
        answer = await self.request("POST", f"/v1/sessions/{session}/executions", json=body)
        return {"status": answer.status_code, **answer.json()}

    async def end(self, execution_id: str, session: str = "main") -> dict[str, Any]:
        path = f"/v1/sessions/{session}/executions/{execution_id}?wait=15"
        return (await self.request("GET", path)).json()

    async def run(self, command: Any, session: str = "main", **fields: Any) -> dict[str, Any]:
        started = await self.start(command, session, **fields)
        assert started["status"] == 201, started
        ended = await self.end(started["execution_id"], session)
        base = f"/v1/sessions/{session}/executions/{started['execution_id']}/output"
        return {
            **ended,
            "stdout": (await self.request("GET", f"{base}?stream=stdout")).content,
            "stderr": (await self.request("GET", f"{base}?stream=stderr")).content,
            "output": (await self.request("GET", base)).content,
        }

    async def ready(self) -> None:
        async def is_ready() -> bool:
            return (await self.http.get("/readyz")).status_code == 200

        await eventually(is_ready)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        config = configuration(create_app(self.settings()))
        config.timeout_graceful_shutdown = 1  # Seconds, as the next: tests wait for them.
        config.timeout_keep_alive = 5
        server = uvicorn.Server(config)
        with self.listening.dup() as listening:
            async with anyio.create_task_group() as group:
                group.start_soon(server.serve, [listening])
                try:
                    yield
                finally:
                    server.should_exit = True

    @asynccontextmanager
    async def workspace_running(self) -> AsyncGenerator[Process]:
        socket_path = str(self.control / "line.sock")
        await eventually((self.control / "line.sock").exists)
        async with await anyio.open_process(
            [str(INIT), "--socket", socket_path], stdin=None, stdout=None, stderr=None
        ) as process:
            self.init = process
            try:
                yield process
            finally:
                if process.returncode is None:
                    # This init is no PID 1, so what it started would outlive it.
                    for name in ("main", "other"):
                        await self.request("POST", f"/v1/sessions/{name}/kill-all")
                    process.terminate()
                    await process.wait()

    @asynccontextmanager
    async def stopped_workspace(self) -> AsyncGenerator[None]:
        """Have init stand still: it takes nothing, and says nothing."""
        self.init.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.init.send_signal(signal.SIGCONT)


class Client:
    """A Socket.IO client that keeps what it is sent."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.sio: Any = socketio.AsyncClient(reconnection=False)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.changed = anyio.Event()
        for event in (events.OUTPUT, events.GAP, events.ENDED):
            self.sio.on(event, self._keeper(event))
        self.disconnected = anyio.Event()
        self.sio.on("disconnect", self._gone)

    def _gone(self, *_: Any) -> None:
        self.disconnected.set()

    def _keeper(self, event: str) -> Any:
        def keep(payload: dict[str, Any]) -> None:
            self.received.append((event, payload))
            self.changed.set()
            self.changed = anyio.Event()

        return keep

    async def connect(self, **options: Any) -> None:
        token = options.pop("token", None) or self.sandbox.token("GET", HANDSHAKE_TARGET)
        options = options or {"headers": {"Authorization": f"Bearer {token}"}}
        await self.sio.connect(self.sandbox.url, transports=["websocket"], **options)

    async def call(self, event: str, payload: Any) -> Any:
        return await self.sio.call(event, payload, timeout=PATIENCE)

    async def start(self, command: Any, credit: int = 0, session: str = "main", **fields: Any) -> str:
        start = {"execution_id": str(uuid.uuid4()), "command": command, **fields}
        answer = await self.call(events.START, {"session_id": session, "start": start, "credit": credit})
        assert "ok" in answer, answer
        return start["execution_id"]

    async def wait_for(self, event: str, execution_id: str) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE):
            while True:
                changed = self.changed
                for name, payload in self.received:
                    found = payload.get("execution_id") or payload["execution"]["execution_id"]
                    if name == event and found == execution_id:
                        return payload
                await changed.wait()

    def output(self, execution_id: str, stream: str | None = None) -> bytes:
        return b"".join(
            payload["data"]
            for event, payload in self.received
            if event == events.OUTPUT
            and payload["execution_id"] == execution_id
            and stream in (None, payload["type"])
        )


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncGenerator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncGenerator[Client]:
    client = Client(sandbox)
    await client.connect()
    yield client
    await client.sio.disconnect()


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncGenerator[Sandbox]:
    """A server without a workspace."""
    sandbox = Sandbox(tmp_path)
    async with sandbox.open(), sandbox.serving():
        await sandbox.http.get("/healthz")
        yield sandbox
