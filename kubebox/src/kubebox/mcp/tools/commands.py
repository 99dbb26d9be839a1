"""Running a command to its end."""

import asyncio
import time

from pydantic import Field

from kubebox import _arguments
from kubebox._collect import Collector
from kubebox._results import require_known_end
from kubebox.mcp.excerpt import excerpt
from kubebox.mcp.limits import (
    COMMAND_SECONDS,
    MAX_COMMAND_SECONDS,
    MAX_OUTPUT_BYTES,
    OUTPUT_BYTES,
    PROGRESS_SECONDS,
)
from kubebox.mcp.tool import CHANGES, Call, Report, Told, tool
from kubebox.mcp.tools.sandboxes import OneSandbox
from kubebox_protocol.executions import CommandMode, Execution


class InFolder(OneSandbox):
    """Arguments of what starts a command."""

    command: str = Field(description="Run by bash (sh where there is no bash), so pipes and && work.")
    path: str | None = Field(
        default=None, description="Folder to run in, relative to /workspace, which it is unless given."
    )
    env: dict[str, str] = Field(
        default_factory=dict[str, str], description="Environment variables, over the sandbox's own."
    )


class RunCommand(InFolder):
    """Arguments of `run_command`."""

    stdin: str | None = Field(default=None, description="Its standard input; there is none unless given.")
    timeout_seconds: float = Field(
        default=COMMAND_SECONDS,
        gt=0,
        le=MAX_COMMAND_SECONDS,
        description="Seconds until it is ended, with all that it started.",
    )
    max_output_bytes: int = Field(
        default=OUTPUT_BYTES,
        ge=256,
        le=MAX_OUTPUT_BYTES,
        description="Bytes of stdout, and as many of stderr, in the answer: one half from the beginning, one from the end.",
    )


class CommandTold(Told):
    """A command that has ended."""

    exit_code: int | None = Field(description="Its exit code; -N where signal N ended it.")
    ended: str = Field(description="How it ended: exited, signalled, timed-out, killed or out-of-memory.")
    message: str = Field(description="The same in words.")
    stdout: str
    stderr: str
    truncated: bool = Field(
        description="Whether output is left out. A line in its place says how to read it with read_output."
    )
    binary: bool = Field(
        description="Whether output is no text, so that what is shown of it is not exact; read_output gives base64."
    )
    output_bytes: int = Field(description="Bytes that it wrote, both streams together.")
    seconds: float = Field(description="How long it ran.")
    process_id: str


@tool(CHANGES)
async def run_command(asked: RunCommand, call: Call) -> CommandTold:
    """Run a shell command in a sandbox and wait until it has ended.

    The answer has its exit code and what it wrote; of much output the beginning and the end. For servers and other things
    that go on take start_process. Each command begins anew in /workspace: write `cd folder && make`, or give the path.
    If you cancel the call, the command is killed.
    """
    sandbox = call.find(asked.sandbox_id).sandbox
    executions = sandbox.client.executions
    start = _arguments.start(
        asked.command,
        CommandMode.WAIT,
        path=asked.path,
        timeout=asked.timeout_seconds,
        env=asked.env,
        user=None,
        stdin=asked.stdin,
        process_id=None,
        lease=executions.wait_lease,
    )
    collector = Collector(asked.max_output_bytes)
    running = asyncio.ensure_future(executions.collect(sandbox.session_id, start, collector))
    execution = await reported(running, call.report)
    return _told(execution, collector)


async def reported(running: "asyncio.Future[Execution]", report: Report) -> Execution:
    """Wait for something, and say meanwhile that it goes on. Whoever stops waiting cancels it, and waits for that."""
    begun = time.monotonic()
    try:
        while not (await asyncio.wait({running}, timeout=PROGRESS_SECONDS))[0]:
            seconds = time.monotonic() - begun
            await report(round(seconds, 1), f"running for {seconds:.0f} s")
        return running.result()
    finally:
        if not running.done():
            running.cancel()
            await asyncio.wait({running})


def _told(execution: Execution, collector: Collector) -> CommandTold:
    verdict = require_known_end(execution)
    process_id = str(execution.execution_id)
    out, err = (excerpt(collector.pieces(stream), process_id) for stream in ("stdout", "stderr"))
    return CommandTold(
        exit_code=verdict.exit_code,
        ended=verdict.kind,
        message=verdict.message,
        stdout=out.text,
        stderr=err.text,
        truncated=collector.truncated,
        binary=out.binary or err.binary,
        output_bytes=execution.end_offset,
        seconds=round(execution.duration, 3),
        process_id=process_id,
    )
