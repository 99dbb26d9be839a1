"""A real server with a real init beneath it, as processes of their own."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from kubebox.client import SandboxClient
from kubebox_protocol.keys import new_private_key, public_pem, read_private_key

PATIENCE = 20
ENCLOSED = [
    "bwrap",
    "--dev-bind",
    "/",
    "/",
    "--unshare-pid",
    "--as-pid-1",
    "--proc",
    "/proc",
    "--die-with-parent",
]
"""init is PID 1 where it belongs. Two of them that see each other's processes would end them."""

INIT = Path(__file__).parents[2] / "sandbox/src/kubebox_sandbox/bin/init"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Server:
    """A server and its workspace.

    Attributes:
        folder: Where everything of it lies.
        uid: The body's id.
        private_key: The key that opens it, PEM.
        settings: More variables of the server.
        enclosure: More of bubblewrap's arguments, for what the workspace sees.
    """

    folder: Path
    uid: str = "body-1"
    private_key: str = field(default_factory=new_private_key, repr=False)
    settings: dict[str, str] = field(default_factory=dict[str, str])
    enclosure: list[str] = field(default_factory=list[str])
    port: int = 0
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def start(self) -> None:
        """Start both and wait until they know each other."""
        if shutil.which("bwrap") is None:
            pytest.skip("bubblewrap is not installed")
        for name in ("workspace", "control", "state"):
            (self.folder / name).mkdir(exist_ok=True)
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            self.port = listening.getsockname()[1]
            environment = {
                "KUBEBOX_SANDBOX_ID": "test",
                "KUBEBOX_SANDBOX_UID": self.uid,
                "KUBEBOX_PUBLIC_KEYS": public_pem(read_private_key(self.private_key)),
                "KUBEBOX_CONTROL": str(self.folder / "control"),
                "KUBEBOX_STATE": str(self.folder / "state"),
                "KUBEBOX_WORKSPACE_UID": str(os.getuid()),
                "KUBEBOX_ROOTS": str(self.workspace),
                "KUBEBOX_LISTEN_FD": str(listening.fileno()),
                **self.settings,
            }
            self._spawn([sys.executable, "-m", "kubebox_sandbox"], environment, [listening.fileno()])
        self._wait_for("/healthz")
        init = [str(INIT), "--socket", str(self.folder / "control" / "line.sock")]
        self._spawn([*ENCLOSED, *self.enclosure, *init], {}, [])
        self._wait_for("/readyz")

    def stop(self) -> None:
        """End both at once, without a word to anyone."""
        for process in self._processes:  # the server first: it must not tell of its workspace
            process.kill()
            process.wait()
        self._processes.clear()

    def _spawn(self, command: list[str], environment: dict[str, str], descriptors: list[int]) -> None:
        with (self.folder / "log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command, env=os.environ | environment, pass_fds=descriptors, stdout=log, stderr=log
                )
            )

    def _wait_for(self, path: str) -> None:
        import time

        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.url + path, timeout=PATIENCE).close()
                return
            except (urllib.error.URLError, ConnectionError) as error:
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                time.sleep(0.01)  # Nothing outside can watch a server come up.
        raise AssertionError((self.folder / "log").read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """One server for all tests of a module that leave it running; others look at what this program still runs."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Generator[Server]:
    """A server of the test's own, to stop and replace."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture
async def client(server: Server) -> AsyncGenerator[SandboxClient]:
    with anyio.fail_after(PATIENCE):
        async with SandboxClient(server.private_key, server.url) as client:
            yield client


@pytest.fixture
async def session(client: SandboxClient) -> str:
    """A session that nobody else uses."""
    name = f"session-{uuid4()}"
    await client.initialize_session(name, name)
    return name
