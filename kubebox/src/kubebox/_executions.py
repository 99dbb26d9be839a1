"""Commands: start, read, wait for, kill."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias
from uuid import UUID

from kubebox import _arguments
from kubebox._collect import STREAMS, Collector, TextDecoder
from kubebox._lease import wait_lease
from kubebox._output import OutputReader
from kubebox._pages import list_executions
from kubebox._results import BackgroundProcess, CommandResult, CommandStream, require_known_end, result_of
from kubebox._steering import Steering
from kubebox._transport.base import ANSWER_SECONDS, Transport
from kubebox.errors import ConnectionLost, FileError, KubeboxError, SandboxLost
from kubebox_protocol import events
from kubebox_protocol.executions import (
    Execution,
    ExecutionRequest,
    SessionRequest,
    StartCommand,
    StartRequest,
)
from kubebox_protocol.output import ExecutionEnded, OutputChunk, OutputType, Started
from kubebox_protocol.steering import Kill, KillAllAnswer, KillAnswer, KillRequest
from kubebox_protocol.verdicts import Verdict

SOCKET_START_SIZE: Final = 128 * 1024
"""Characters and bytes of a start that go over Socket.IO. JSON may make twelve bytes of a character, and a
message has at most `MAX_REQUEST_BYTES`, two megabytes. More goes by REST."""

LONG_POLL_SECONDS: Final = 25.0
"""Seconds that one request waits for an end: below the minute after which proxies give up an idle one."""

CLEANUP_SECONDS: Final = 10.0
"""Seconds that a cancelled caller waits for its command to be killed."""

CLEANUP_GRACE_SECONDS: Final = 1.0
"""Seconds between SIGTERM and SIGKILL when a caller was cancelled: it wants to go on."""


Watcher: TypeAlias = Callable[[OutputType, str], Awaitable[None]]
"""Is given each piece of text, and the stream it was written to."""


class Executions:
    """The commands of one client.

    Args:
        transport: The way to the server.

    Attributes:
        steering: What is done to them while they run.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._cleanups: set[asyncio.Task[None]] = set()
        self.steering = Steering(transport, self.status)

    @property
    def wait_lease(self) -> float:
        """The lease of what `wait` and `watch` run, where the caller gives none."""
        return wait_lease(self._transport.reconnect)

    async def stream(self, session_id: str, command: StartCommand) -> CommandStream:
        """Start a command whose output is read as it comes."""
        reader = OutputReader(self._transport, session_id, command.execution_id)
        await self.start(session_id, command, reader)
        return CommandStream(self, session_id, str(command.execution_id), reader, attached=True)

    async def wait(self, session_id: str, command: StartCommand) -> CommandResult:
        """Run a command to its end; a caller that is cancelled leaves nothing running."""
        collector = Collector()
        return result_of(await self.collect(session_id, command, collector), collector)

    async def collect(self, session_id: str, command: StartCommand, collector: Collector) -> Execution:
        """The same, with as much of its output as somebody else wants of it, and the record of its end."""
        reader = OutputReader(self._transport, session_id, command.execution_id, credit=0)
        ended = await self.start(session_id, command, reader)
        try:
            return await self._collect(session_id, ended or await reader.end(), collector)
        except asyncio.CancelledError:
            await self.clean_up(self._kill_quietly(session_id, command.execution_id))
            raise
        finally:
            reader.leave()

    async def watch(self, session_id: str, command: StartCommand, watch: Watcher) -> CommandResult:
        """Run a command to its end and pass its output on as it comes; otherwise like `wait`."""
        reader = OutputReader(self._transport, session_id, command.execution_id)
        await self.start(session_id, command, reader)
        collector, decoder = Collector(), TextDecoder()
        try:
            while not isinstance(happening := await reader.next(), ExecutionEnded):
                if isinstance(happening, OutputChunk):
                    collector.add(happening)
                    await watch(happening.type, decoder.decode(happening.type, happening.data))
                else:
                    collector.skip()
            for type in STREAMS:
                await watch(type, decoder.flush(type))
            return result_of(happening.execution, collector)
        except SandboxLost:
            raise  # there is nothing left to kill
        except BaseException:  # cancelled, or the watcher failed: nobody waits for it any more
            if not reader.failed:  # else it may go on, and can be found again
                await self.clean_up(self._kill_quietly(session_id, command.execution_id))
            raise
        finally:
            reader.leave()

    async def background(self, session_id: str, command: StartCommand) -> BackgroundProcess:
        """Start a command and leave it."""
        await self.start(session_id, command, None)
        return BackgroundProcess(self, session_id, str(command.execution_id))

    def attach(self, session_id: str, process_id: str, offset: int) -> CommandStream:
        """An execution's output from an offset on."""
        execution_id = _arguments.process(process_id)
        reader = OutputReader(self._transport, session_id, execution_id, _arguments.offset(offset))
        return CommandStream(self, session_id, str(execution_id), reader, attached=False)

    async def status(self, session_id: str, process_id: str) -> Execution:
        """An execution's record."""
        request = ExecutionRequest(session_id=session_id, execution_id=_arguments.process(process_id))
        return await self._transport.ask(events.STATUS, request, Execution, repeat=True)

    async def list(self, session_id: str) -> list[Execution]:
        """The records of a session's executions, oldest first."""
        return await list_executions(self._transport, session_id)

    async def wait_for_end(self, session_id: str, process_id: str) -> Verdict:
        """Wait for an execution's end."""
        path = f"/v1/sessions/{session_id}/executions/{_arguments.process(process_id)}"
        while True:
            execution = await self._transport.request(
                "GET",
                path,
                Execution,
                query={"wait": LONG_POLL_SECONDS},
                timeout=LONG_POLL_SECONDS + ANSWER_SECONDS,
                repeat=True,
            )
            if execution.state == "ended":
                return require_known_end(execution)

    async def kill(self, session_id: str, process_id: str, grace: float) -> Verdict:
        """End an execution's whole tree."""
        kill = _arguments.build(Kill, grace=grace)
        request = KillRequest(session_id=session_id, execution_id=_arguments.process(process_id), kill=kill)
        answer = await self._transport.ask(
            events.KILL, request, KillAnswer, timeout=ANSWER_SECONDS + kill.grace, repeat=True
        )
        return require_known_end(answer.execution)

    async def kill_all(self, session_id: str) -> KillAllAnswer:
        """End all of a session's executions."""
        return await self._transport.ask(
            events.KILL_ALL, SessionRequest(session_id=session_id), KillAllAnswer
        )

    async def close(self) -> None:
        """Wait for what still cleans up, while there is a connection to do it over; it is bounded."""
        cleanups = set(self._cleanups)
        if cleanups and self._transport.connected:
            await asyncio.wait(cleanups, timeout=CLEANUP_SECONDS)
        for cleanup in cleanups:
            cleanup.cancel()
        if cleanups:
            await asyncio.wait(cleanups)

    async def start(
        self, session_id: str, command: StartCommand, reader: OutputReader | None
    ) -> ExecutionEnded | None:
        """Start, and have the reader told. A caller that is cancelled meanwhile leaves nothing running.

        A reader without credit is not told of an end that comes along with the answer: that is given.

        A start whose answer was lost with its connection is sent again: the server runs each id at most once, and
        answers with the record of the first start.
        """
        try:
            if reader is None or _is_large(command):
                await self._post_start(session_id, command, reader)
                return None
            await reader.listen()
            return await self._ask_start(session_id, command, reader)
        except KubeboxError as error:
            # Whether it started may not be known: with its id, the caller can find out.
            error.data.setdefault("process_id", str(command.execution_id))
            if isinstance(error, ConnectionLost):
                error.data.setdefault("offset", 0)
            if isinstance(error, FileError) and command.path and command.path not in error.message:
                error.data.setdefault("path", command.path)
                error.message = f"{command.path}: {error.message}"
                error.args = (error.message,)
            raise

    async def _ask_start(
        self, session_id: str, command: StartCommand, reader: OutputReader
    ) -> ExecutionEnded | None:
        request = StartRequest(
            session_id=session_id, start=command, credit=reader.credit, end_inline=reader.credit == 0
        )
        try:
            started = await self._transport.ask(
                events.START, request, Started, repeat=True, before=reader.begin
            )
        except asyncio.CancelledError:
            # What one connection brings is taken up in order: the kill finds the start, and waits for its outcome.
            reader.leave()
            await self.clean_up(self._kill_quietly(session_id, command.execution_id))
            raise
        except BaseException:  # A reader that nobody reads would be sent output.
            reader.leave()
            raise
        return started.ended

    async def _post_start(self, session_id: str, command: StartCommand, reader: OutputReader | None) -> None:
        async def post() -> None:
            path = f"/v1/sessions/{session_id}/executions"
            await self._transport.request("POST", path, Execution, body=command, repeat=True)
            if reader is not None:
                await reader.attach()

        posting = asyncio.ensure_future(post())
        try:
            await asyncio.shield(posting)
        except asyncio.CancelledError:
            # A kill takes another connection: it must not come before the start.
            await self.clean_up(self._kill_started(session_id, command.execution_id, posting))
            raise

    async def _collect(self, session_id: str, ended: ExecutionEnded, collector: Collector) -> Execution:
        if ended.output is not None:
            for chunk in ended.output:
                collector.add(chunk)
        elif ended.execution.end_offset > 0:
            reader = OutputReader(
                self._transport, session_id, ended.execution.execution_id, keep=collector.limit
            )
            ended = await self._read_kept(reader, collector)
        return ended.execution

    async def gather(self, session_id: str, process_id: str, collector: Collector) -> Execution:
        """Wait for the end of a command that was started before, and collect what it wrote."""
        execution_id = _arguments.process(process_id)
        reader = OutputReader(self._transport, session_id, execution_id, keep=collector.limit)
        return (await self._read_kept(reader, collector)).execution

    async def _read_kept(self, reader: OutputReader, collector: Collector) -> ExecutionEnded:
        try:
            await reader.attach()
            while True:
                happening = await reader.next()
                if isinstance(happening, ExecutionEnded):
                    return happening
                if isinstance(happening, OutputChunk):
                    collector.add(happening)
                else:
                    collector.skip(happening.type)
        finally:
            reader.leave()

    async def _kill_started(
        self, session_id: str, execution_id: UUID, starting: "asyncio.Future[None]"
    ) -> None:
        try:
            await asyncio.wait([starting])
        finally:
            starting.cancel()
        if not starting.cancelled() and starting.exception() is None:
            await self._kill_quietly(session_id, execution_id)

    async def _kill_quietly(self, session_id: str, execution_id: UUID) -> None:
        # The caller is gone: there is nobody to tell of a failure, and the sandbox's own deadline remains.
        with contextlib.suppress(KubeboxError):
            await self.kill(session_id, str(execution_id), CLEANUP_GRACE_SECONDS)

    async def clean_up(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what must be done although the caller was cancelled; the client owns it from here on.

        The caller waits for it, but not for a lost connection to come back.
        """
        from anyio import CancelScope  # imported here: only whoever cancels pays for it

        connected = self._transport.connected
        work = self._bounded(work) if connected else work  # which the connection's coming back bounds
        cleanup = asyncio.create_task(work, name="kubebox: kill a cancelled command")
        self._cleanups.add(cleanup)
        cleanup.add_done_callback(self._cleanups.discard)
        if connected:
            with CancelScope(shield=True):  # anyio's cancellation would otherwise strike at each await anew
                await asyncio.shield(cleanup)

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_SECONDS):
                await work


def _is_large(command: StartCommand) -> bool:
    size = len(command.stdin or b"") + sum(len(name) + len(value) for name, value in command.env.items())
    size += len(command.command) if isinstance(command.command, str) else sum(map(len, command.command))
    return size > SOCKET_START_SIZE
