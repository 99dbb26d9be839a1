"""A server of a test's own, whose supervisor the test is: it may be killed more often than a sandbox's may."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx2
import pytest

from kubebox import SandboxClient
from kubebox.testing import Box
from kubebox_protocol.keys import new_private_key, public_pem, read_private_key
from tests.soak.processes import PATIENCE, Process
from tests.soak.waiting import eventually

INIT = Path(__file__).parents[2] / "sandbox/src/kubebox_sandbox/bin/init"
ENCLOSED = [
    "bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--as-pid-1", "--proc", "/proc", "--die-with-parent",
]  # fmt: skip
"""init is PID 1 where it belongs, and takes everything that it has started along when it ends."""

SERVER = [sys.executable, "-I", "-m", "kubebox_sandbox"]
BACKLOG = 1024


class OwnServer:
    """A server and its workspace.

    The socket is held here, so that clients wait while there is no server, instead of being refused.

    Args:
        folder: Where everything of it lies.
        program: The server's argv.
        settings: Further settings, by the names of their environment variables.

    Attributes:
        workspace: The folder of the sessions.
        private_key: The key that opens it.
    """

    def __init__(self, folder: Path, program: list[str], settings: dict[str, str]) -> None:
        self._folder = folder
        self._program = program
        self._settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._workspace: subprocess.Popen[bytes] | None = None
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.workspace = folder / "workspace"
        self.private_key = new_private_key()
        for name in ("workspace", "control", "state"):
            (folder / name).mkdir(exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def process(self) -> Process:
        """The server, as one that can be looked at. It must be closed."""
        assert self._server is not None
        return Process(self._server.pid)

    @property
    def init(self) -> int:
        """The id of the workspace's first process."""
        assert self._workspace is not None
        bubblewrap = self._workspace.pid
        (init,) = Path(f"/proc/{bubblewrap}/task/{bubblewrap}/children").read_text().split()
        return int(init)

    def start(self) -> None:
        """Start a server; each takes over from the one before."""
        descriptor = self._listening.fileno()
        environment = {
            "PATH": os.environ["PATH"],
            "KUBEBOX_SANDBOX_ID": "own",
            "KUBEBOX_SANDBOX_UID": "own",
            "KUBEBOX_PUBLIC_KEYS": public_pem(read_private_key(self.private_key)),
            "KUBEBOX_CONTROL": str(self._folder / "control"),
            "KUBEBOX_STATE": str(self._folder / "state"),
            "KUBEBOX_WORKSPACE_UID": str(os.getuid()),
            "KUBEBOX_ROOTS": str(self.workspace),
            "KUBEBOX_LISTEN_FD": str(descriptor),
            **self._settings,
        }
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                self._program, env=environment, pass_fds=[descriptor], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill the server. Its workspace goes on."""
        assert self._server is not None
        self._server.kill()
        self._server.wait(PATIENCE)

    async def kill_again_and_again(self, times: int, chance: Random, longest_life: float) -> None:
        """Kill each server at any moment of its life, up to so many seconds, and wait for the last one to be ready."""
        for _ in range(times):
            await self.ready()
            await asyncio.sleep(chance.random() * longest_life)  # the fault itself: any moment
            self.kill()
            self.start()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the server and its workspace know each other; the server tells nobody when that is."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE) as http:

            async def is_ready() -> bool:
                return (await http.get("/readyz")).status_code == 200

            await eventually(is_ready)

    @asynccontextmanager
    async def box(self) -> AsyncGenerator[Box]:
        """A client of its own, and the session that all of them share."""
        async with SandboxClient(self.private_key, self.url) as client:
            await client.initialize_session("session", "")
            yield Box(client, "session")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        try:
            self.start()
            line = self._folder / "control/line.sock"
            await eventually(line.exists)
            with (self._folder / "log").open("ab") as log:
                self._workspace = subprocess.Popen(  # noqa: ASYNC220
                    [*ENCLOSED, str(INIT), "--socket", str(line)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            await self.ready()
            yield
        finally:
            for process in (
                self._server,
                self._workspace,
            ):  # the server first: it must not tell of its workspace
                if process is not None:
                    process.kill()
                    process.wait(PATIENCE)
            self._listening.close()


@asynccontextmanager
async def own_server(
    folder: Path, program: list[str] | None = None, **settings: str
) -> AsyncGenerator[OwnServer]:
    """A server and its workspace, gone afterwards."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    server = OwnServer(folder, program or SERVER, settings)
    async with server.running():
        yield server
