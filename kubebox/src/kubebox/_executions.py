"""Commands: start, read, wait for, kill."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias
from uuid import UUID

from kubebox import _arguments
from kubebox._output import STREAMS, Collector, OutputReader, TextDecoder
from kubebox._results import BackgroundProcess, CommandResult, CommandStream, require_known_end, result_of
from kubebox._transport.base import ANSWER_SECONDS, Transport
from kubebox.errors import ConnectionFailed, FileError, KubeboxError, SandboxLost
from kubebox_protocol import events
from kubebox_protocol.executions import (
    Execution,
    ExecutionEnded,
    ExecutionList,
    ExecutionRequest,
    Kill,
    KillAllAnswer,
    KillAnswer,
    KillRequest,
    OutputChunk,
    OutputType,
    SessionRequest,
    StartCommand,
    Started,
    StartRequest,
    Verdict,
)
from kubebox_protocol.limits import STREAM_CREDIT_BYTES

SOCKET_START_SIZE: Final = 128 * 1024
"""Characters and bytes of a start that go over Socket.IO. JSON may make twelve bytes of a character, and a
message has at most two megabytes. More goes by REST."""

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
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._cleanups: set[asyncio.Task[None]] = set()

    async def stream(self, session_id: str, command: StartCommand) -> CommandStream:
        """Start a command whose output is read as it comes."""
        reader = OutputReader(self._transport, session_id, command.execution_id)
        await self._start(session_id, command, reader, STREAM_CREDIT_BYTES)
        return CommandStream(self, session_id, str(command.execution_id), reader, attached=True)

    async def wait(self, session_id: str, command: StartCommand) -> CommandResult:
        """Run a command to its end; a caller that is cancelled leaves nothing running."""
        reader = OutputReader(self._transport, session_id, command.execution_id)
        await self._start(session_id, command, reader, 0)
        try:
            return await self._collect(session_id, reader)
        except asyncio.CancelledError:
            await self._clean_up(self._kill_quietly(session_id, command.execution_id))
            raise
        finally:
            reader.leave()

    async def watch(self, session_id: str, command: StartCommand, watch: Watcher) -> CommandResult:
        """Run a command to its end and pass its output on as it comes; otherwise like `wait`."""
        reader = OutputReader(self._transport, session_id, command.execution_id)
        await self._start(session_id, command, reader, STREAM_CREDIT_BYTES)
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
        except (ConnectionFailed, SandboxLost):
            raise  # it may go on, and can be found again
        except BaseException:  # cancelled, or the watcher failed: nobody waits for it any more
            await self._clean_up(self._kill_quietly(session_id, command.execution_id))
            raise
        finally:
            reader.leave()

    async def background(self, session_id: str, command: StartCommand) -> BackgroundProcess:
        """Start a command and leave it."""
        await self._start(session_id, command, None, 0)
        return BackgroundProcess(self, session_id, str(command.execution_id))

    def attach(self, session_id: str, process_id: str, offset: int) -> CommandStream:
        """An execution's output from an offset on."""
        execution_id = _arguments.process(process_id)
        reader = OutputReader(self._transport, session_id, execution_id, _arguments.offset(offset))
        return CommandStream(self, session_id, str(execution_id), reader, attached=False)

    async def status(self, session_id: str, process_id: str) -> Execution:
        """An execution's record."""
        request = ExecutionRequest(session_id=session_id, execution_id=_arguments.process(process_id))
        return await self._transport.ask(events.STATUS, request, Execution)

    async def list(self, session_id: str) -> list[Execution]:
        """The records of a session's executions, oldest first."""
        request = SessionRequest(session_id=session_id)
        return (await self._transport.ask(events.LIST_EXECUTIONS, request, ExecutionList)).executions

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
            )
            if execution.state == "ended":
                return require_known_end(execution)

    async def kill(self, session_id: str, process_id: str, grace: float) -> Verdict:
        """End an execution's whole tree."""
        kill = _arguments.build(Kill, grace=grace)
        request = KillRequest(session_id=session_id, execution_id=_arguments.process(process_id), kill=kill)
        answer = await self._transport.ask(
            events.KILL, request, KillAnswer, timeout=ANSWER_SECONDS + kill.grace
        )
        return require_known_end(answer.execution)

    async def kill_all(self, session_id: str) -> KillAllAnswer:
        """End all of a session's executions."""
        return await self._transport.ask(
            events.KILL_ALL, SessionRequest(session_id=session_id), KillAllAnswer
        )

    async def close(self) -> None:
        """Wait for what still cleans up; it is bounded."""
        while self._cleanups:
            await asyncio.wait(set(self._cleanups))

    async def _start(
        self, session_id: str, command: StartCommand, reader: OutputReader | None, credit: int
    ) -> None:
        """Start, and have the reader told. A caller that is cancelled meanwhile leaves nothing running."""
        starting = asyncio.ensure_future(self._send_start(session_id, command, reader, credit))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await self._clean_up(self._kill_started(session_id, command.execution_id, starting))
            raise
        except KubeboxError as error:
            # Whether it started may not be known: with its id, the caller can find out.
            error.data.setdefault("process_id", str(command.execution_id))
            if isinstance(error, FileError) and command.path and command.path not in error.message:
                error.data.setdefault("path", command.path)
                error.message = f"{command.path}: {error.message}"
                error.args = (error.message,)
            raise

    async def _send_start(
        self, session_id: str, command: StartCommand, reader: OutputReader | None, credit: int
    ) -> None:
        try:
            if reader is None or _is_large(command):
                path = f"/v1/sessions/{session_id}/executions"
                await self._transport.request("POST", path, Execution, body=command)
                if reader is not None:
                    await reader.attach(credit)
                return
            await reader.listen()
            request = StartRequest(
                session_id=session_id, start=command, credit=credit, end_inline=credit == 0
            )
            started = await self._transport.ask(events.START, request, Started)
            if started.ended is not None:
                reader.take(started.ended)
        except BaseException:  # cancellation too: a reader that nobody reads would be sent output
            if reader is not None:
                reader.leave()
            raise

    async def _collect(self, session_id: str, reader: OutputReader) -> CommandResult:
        ended = await reader.end()
        collector = Collector()
        if ended.output is not None:
            for chunk in ended.output:
                collector.add(chunk)
        elif ended.execution.end_offset > 0:
            ended = await self._read_all(
                OutputReader(self._transport, session_id, ended.execution.execution_id), collector
            )
        return result_of(ended.execution, collector)

    async def _read_all(self, reader: OutputReader, collector: Collector) -> ExecutionEnded:
        try:
            await reader.attach()
            while True:
                happening = await reader.next()
                if isinstance(happening, ExecutionEnded):
                    return happening
                if isinstance(happening, OutputChunk):
                    collector.add(happening)
                else:
                    collector.skip()
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

    async def _clean_up(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what must be done although the caller was cancelled; the client owns it from here on."""
        from anyio import CancelScope  # imported here: only whoever cancels pays for it

        cleanup = asyncio.create_task(self._bounded(work), name="kubebox: kill a cancelled command")
        self._cleanups.add(cleanup)
        cleanup.add_done_callback(self._cleanups.discard)
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
