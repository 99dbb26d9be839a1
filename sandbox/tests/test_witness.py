"""A workspace whose memory the server cannot see passes the kernel's files of it, and is believed in nothing else."""

import os
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from .conftest import PATIENCE, Sandbox
from .test_lying_workspace import FOLDER
from .test_memory import LIMIT, cgroup, eat
from .test_workspace import FakeInit, close_fakes

__all__ = ["cgroup", "close_fakes"]

NAMES = (
    ("memory.events", "memory.max", "memory.peak"),
    (
        "memory.oom_control",
        "memory.limit_in_bytes",
        "memory.max_usage_in_bytes",
    ),
)


@contextmanager
def opened(path: Path) -> Generator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def files(cgroup: Path) -> Iterator[list[int]]:
    """The files of a real memory cgroup, as init would open them."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(opened(cgroup / name))
            for names in NAMES
            for name in names
            if (cgroup / name).exists()
        ]


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncGenerator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["return_seconds"] = 0.5
    async with sandbox.open(), sandbox.serving():
        await sandbox.http.get("/healthz")
        yield sandbox


class Workspace:
    """A workspace whose commands end as a test says."""

    def __init__(self, sandbox: Sandbox, memory: Sequence[int]) -> None:
        self.sandbox = sandbox
        self.fake = FakeInit(sandbox.control, memory)

    async def starts(self) -> str:
        """A command that was started."""
        execution_id = str(uuid.uuid4())

        async def ask() -> None:
            await self.sandbox.session()
            assert (await self.sandbox.start("anything", execution_id=execution_id))["status"] == 201

        with anyio.fail_after(PATIENCE):
            await to_thread.run_sync(self.fake.hello)
            async with anyio.create_task_group() as group:
                group.start_soon(to_thread.run_sync, self._say_yes)
                group.start_soon(ask)
        return execution_id

    def _say_yes(self) -> None:
        operation = ""
        while operation != "start":
            request, descriptors = self.fake.receive()
            operation = request["op"]
            self.fake.send({"id": request["id"], "ok": FOLDER})
            for descriptor in descriptors:
                os.close(descriptor)

    async def verdict_of(self, execution_id: str) -> dict[str, Any]:
        return (await self.sandbox.end(execution_id))["verdict"]


async def killed(workspace: Workspace) -> dict[str, Any]:
    execution_id = await workspace.starts()
    workspace.fake.send({"event": "exited", "execution": execution_id, "signal": 9, "code": None})
    return await workspace.verdict_of(execution_id)


async def test_what_the_kernel_killed_for_want_of_memory(
    alone: Sandbox, cgroup: Path, files: list[int]
) -> None:
    workspace = Workspace(alone, files)
    execution_id = await workspace.starts()
    assert await to_thread.run_sync(eat, cgroup, 128) == -9
    workspace.fake.send({"event": "exited", "execution": execution_id, "signal": 9, "code": None})
    verdict = await workspace.verdict_of(execution_id)
    assert (verdict["kind"], verdict["memory_limit"]) == ("out-of-memory", LIMIT)
    assert verdict["memory_peak"] in (None, LIMIT)


async def test_what_was_killed_before_it_came_is_not_its_own(
    alone: Sandbox, cgroup: Path, files: list[int]
) -> None:
    assert await to_thread.run_sync(eat, cgroup, 128) == -9
    assert (await killed(Workspace(alone, files)))["kind"] == "signalled"


async def test_a_workspace_that_is_lost_for_want_of_memory(
    alone: Sandbox, cgroup: Path, files: list[int]
) -> None:
    workspace = Workspace(alone, files)
    execution_id = await workspace.starts()
    assert await to_thread.run_sync(eat, cgroup, 128) == -9
    workspace.fake.socket.close()
    verdict = await workspace.verdict_of(execution_id)
    assert (verdict["kind"], verdict["memory_limit"]) == ("workspace-restarted", LIMIT)
    assert "want of memory" in verdict["message"]


async def test_the_next_workspace_begins_anew(alone: Sandbox, cgroup: Path, files: list[int]) -> None:
    first = Workspace(alone, files)
    execution_id = await first.starts()
    assert await to_thread.run_sync(eat, cgroup, 128) == -9
    first.fake.socket.close()
    await first.verdict_of(execution_id)
    assert (await killed(Workspace(alone, files)))["kind"] == "signalled"


@pytest.mark.parametrize("lie", ["a file", "a view of processes", "another file", "twice", "a pipe"])
async def test_what_is_no_file_of_a_memory_cgroup_is_not_believed(
    alone: Sandbox, cgroup: Path, files: list[int], lie: str
) -> None:
    with ExitStack() as stack:
        if lie == "a file":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "memory.events").write_text("oom_kill 1000\n")
            passed = [stack.enter_context(opened(folder / "memory.events"))]
        elif lie == "a view of processes":
            passed = [stack.enter_context(opened(Path("/proc/self/status")))]
        elif lie == "another file":
            passed = [*files[:1], stack.enter_context(opened(cgroup / "cgroup.procs"))]
        elif lie == "twice":
            passed = [*files[:1], *files[:1]]
        else:
            passed = list(os.pipe())
            for end in passed:
                stack.callback(os.close, end)
        workspace = Workspace(alone, passed)
        execution_id = await workspace.starts()
        assert await to_thread.run_sync(eat, cgroup, 128) == -9
        workspace.fake.send({"event": "exited", "execution": execution_id, "signal": 9, "code": None})
        assert (await workspace.verdict_of(execution_id))["kind"] == "signalled"
        assert (await alone.http.get("/readyz")).status_code == 200


async def test_the_files_are_asked_of_no_workspace_whose_memory_can_be_seen(
    tmp_path: Path, cgroup: Path
) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["memory_cgroup"] = cgroup
    async with sandbox.open(), sandbox.serving():
        await sandbox.http.get("/healthz")
        workspace = Workspace(sandbox, [])
        workspace.fake.memory = [-1]  # To be asked for them would end in an error here.
        execution_id = await workspace.starts()
        assert await to_thread.run_sync(eat, cgroup, 128) == -9
        workspace.fake.send({"event": "exited", "execution": execution_id, "signal": 9, "code": None})
        assert (await workspace.verdict_of(execution_id))["kind"] == "out-of-memory"
