"""The server's rooms, put together once for one application."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kubebox_sandbox.access import Access
from kubebox_sandbox.executions import Executions
from kubebox_sandbox.files import FileThreads
from kubebox_sandbox.identity import load_identity
from kubebox_sandbox.sessions import Sessions
from kubebox_sandbox.settings import Settings
from kubebox_sandbox.tasks import Tasks
from kubebox_sandbox.workspace import Workspace
from kubebox_sandbox.workspace.heartbeat import keep_asking
from kubebox_sandbox.workspace.listener import Listener


@dataclass(frozen=True)
class Rooms:
    """Everything that a door can ask."""

    settings: Settings
    identity: Ed25519PrivateKey
    tasks: Tasks
    workspace: Workspace
    sessions: Sessions
    executions: Executions
    file_threads: FileThreads


@asynccontextmanager
async def open_rooms(settings: Settings, access: Access) -> AsyncGenerator[Rooms]:
    """Open the rooms, and close them with everything that runs in them."""
    journals = settings.state / "journals"
    await to_thread.run_sync(_make_empty, journals)
    identity = await to_thread.run_sync(load_identity, settings.state)
    async with anyio.create_task_group() as group:
        tasks = Tasks(group)
        executions = Executions(settings, journals, tasks)
        workspace = executions.workspace
        try:
            async with Listener(workspace, settings.workspace_uid).listening(settings.control):
                tasks.start(keep_asking, workspace)
                sessions = Sessions(workspace, settings.roots)
                yield Rooms(settings, identity, tasks, workspace, sessions, executions, FileThreads())
        finally:
            workspace.closer.end()
        group.cancel_scope.cancel()


def _make_empty(journals: Path) -> None:
    # The records of an earlier server are gone, so nobody can ask for their output.
    if journals.exists():
        shutil.rmtree(journals)
    journals.mkdir(mode=0o700, parents=True)
