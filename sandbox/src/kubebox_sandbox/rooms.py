"""The server's rooms, put together once for one application."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.access import Access
from kubebox_sandbox.canary import Canary, read_address
from kubebox_sandbox.executions import Executions
from kubebox_sandbox.files import FileThreads, Uploads, Watches
from kubebox_sandbox.identity import load_identity
from kubebox_sandbox.ledger import Ledger
from kubebox_sandbox.ports import Ports
from kubebox_sandbox.sessions import Sessions
from kubebox_sandbox.settings import Settings
from kubebox_sandbox.tasks import Tasks
from kubebox_sandbox.trim import keep_trimming
from kubebox_sandbox.workspace import Workspace
from kubebox_sandbox.workspace.heartbeat import keep_asking
from kubebox_sandbox.workspace.listener import Listener


@dataclass(frozen=True)
class Rooms:
    """Everything that a door can ask."""

    settings: Settings
    access: Access
    identity: Ed25519PrivateKey
    canary: Canary
    tasks: Tasks
    workspace: Workspace
    sessions: Sessions
    executions: Executions
    file_threads: FileThreads
    watches: Watches
    ports: Ports
    uploads: Uploads


class ComingRooms:
    """The rooms, for doors that are made before these are open."""

    def __init__(self) -> None:
        self._rooms: Rooms | None = None

    def open(self, rooms: Rooms) -> None:
        """They are open."""
        self._rooms = rooms

    @property
    def rooms(self) -> Rooms:
        """The rooms.

        Raises:
            Refused: They are not open yet.
        """
        if self._rooms is None:
            raise Refused(ErrorCode.WORKSPACE_UNAVAILABLE, "the server is still starting")
        return self._rooms


@asynccontextmanager
async def open_rooms(settings: Settings, access: Access) -> AsyncGenerator[Rooms]:
    """Open the rooms, and close them with everything that runs in them."""
    identity = await to_thread.run_sync(load_identity, settings.state)
    async with asyncio.TaskGroup() as group:
        tasks = Tasks(group)
        canary = Canary([read_address(word) for word in settings.canary])
        tasks.start(canary.keep_trying)
        executions = Executions(settings, Ledger(settings.state / "executions"), tasks, canary)
        workspace = executions.workspace
        threads = FileThreads()
        uploads = Uploads(workspace, threads)
        sessions = Sessions(workspace, settings.roots, Ledger(settings.state / "sessions"))
        try:
            await executions.load()
            async with Listener(workspace, settings.workspace_uid).listening(settings.control):
                tasks.start(keep_asking, workspace)
                tasks.start(executions.keep_sweeping)
                tasks.start(uploads.keep_sweeping)
                tasks.start(keep_trimming)
                yield Rooms(
                    settings,
                    access,
                    identity,
                    canary,
                    tasks,
                    workspace,
                    sessions,
                    executions,
                    threads,
                    Watches(),
                    Ports(workspace, settings.refused_ports),
                    uploads,
                )
        finally:
            executions.close()
            sessions.close()
            workspace.close()
            tasks.cancel()
