"""Processes that go on by themselves: starting them, reading what they say, giving them input, ending them."""

from typing import Literal

from pydantic import Field

from kubebox import BackgroundProcess, Execution
from kubebox.mcp.limits import LIST_PROCESSES, MAX_OUTPUT_BYTES, MAX_WAIT_SECONDS, OUTPUT_BYTES
from kubebox.mcp.page import Encoding, Page, read_page
from kubebox.mcp.tool import ADDS, CHANGES, READS, Call, Told, tool
from kubebox.mcp.tools.commands import InFolder
from kubebox.mcp.tools.sandboxes import OneSandbox
from kubebox_protocol.verdicts import Verdict


class StartProcess(InFolder):
    """Arguments of `start_process`."""

    open_stdin: bool = Field(
        default=False, description="Keep its standard input open for send_input; else it has none."
    )


class OneProcess(OneSandbox):
    """Arguments of what is done to a process."""

    process_id: str = Field(
        description="The process, as start_process, run_command or list_processes named it."
    )


class ReadOutput(OneProcess):
    """Arguments of `read_output`."""

    offset: int = Field(
        default=0,
        ge=0,
        description="The first byte wanted, stdout and stderr counted together: 0, or next_offset of the answer before.",
    )
    max_bytes: int = Field(default=OUTPUT_BYTES, ge=1, le=MAX_OUTPUT_BYTES, description="Bytes at most.")
    wait_seconds: float = Field(
        default=0.0,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Seconds to wait for output, or for its end, where there is none yet.",
    )
    encoding: Encoding = Field(default="utf-8", description="base64 gives the bytes exactly.")


class SendInput(OneProcess):
    """Arguments of `send_input`."""

    text: str = Field(
        default="", description="What it reads next; a program that reads lines needs a newline."
    )
    close: bool = Field(default=False, description="Whether its input ends after that.")


class StopProcess(OneProcess):
    """Arguments of `stop_process`."""

    grace_seconds: float = Field(
        default=2.0, ge=0, le=MAX_WAIT_SECONDS, description="Seconds between SIGTERM and SIGKILL."
    )


class Started(Told):
    """A process that runs."""

    process_id: str


class ProcessTold(Told):
    """A process."""

    process_id: str
    command: str = Field(description="The beginning of its command.")
    state: Literal["running", "ended"]
    exit_code: int | None = Field(default=None, description="Its exit code; -N where signal N ended it.")
    message: str | None = Field(default=None, description="How it ended.")
    seconds: float = Field(description="How long it has run.")
    output_bytes: int = Field(description="Bytes that it has written so far, both streams together.")


class ProcessesTold(Told):
    """The processes of a sandbox."""

    processes: list[ProcessTold]
    left_out: int = Field(description="How many older ones there are.")


class OutputPiece(Told):
    """What was written to one stream, one piece after the other."""

    stream: Literal["stdout", "stderr"]
    text: str


class OutputTold(Told):
    """A part of an output."""

    pieces: list[OutputPiece] = Field(description="In the order in which they were written.")
    next_offset: int = Field(description="Where to read on.")
    more: bool = Field(description="Whether there is more already.")
    binary: bool = Field(description="Whether it is no text, so that base64 alone shows it exactly.")
    left_out_bytes: int = Field(description="Bytes in it that are no longer held, or are gone.")
    state: Literal["running", "ended"]
    exit_code: int | None = None
    message: str | None = Field(default=None, description="How the process ended.")


class Sent(Told):
    """Input that was given."""

    process_id: str
    closed: bool


class Stopped(Told):
    """A process that has ended."""

    process_id: str
    exit_code: int | None
    ended: str
    message: str


@tool(CHANGES)
async def start_process(asked: StartProcess, call: Call) -> Started:
    """Start a shell command in a sandbox and leave it running: a server, a watcher, anything that takes long.

    read_output reads what it writes, send_input gives it input, stop_process ends it. It goes on until it ends by itself, is
    stopped, or its sandbox ends.
    """
    process = await call.find(asked.sandbox_id).sandbox.start(
        asked.command, path=asked.path, env=asked.env, open_stdin=asked.open_stdin
    )
    return Started(process_id=process.process_id)


@tool(READS)
async def list_processes(asked: OneSandbox, call: Call) -> ProcessesTold:
    """List the commands that were run or started in a sandbox, oldest first: which still run, and how the others ended."""
    sandbox = call.find(asked.sandbox_id).sandbox
    records = await sandbox.client.list_commands(sandbox.session_id)
    return ProcessesTold(
        processes=[_told(record) for record in records[-LIST_PROCESSES:]],
        left_out=max(0, len(records) - LIST_PROCESSES),
    )


@tool(READS)
async def read_output(asked: ReadOutput, call: Call) -> OutputTold:
    """Read what a process has written, from an offset on: of one that runs, or one that has ended.

    For the newest output of a server call it again and again with the next_offset of the answer before, and some wait_seconds.
    """
    page = await read_page(
        _process(asked, call), asked.offset, asked.max_bytes, asked.wait_seconds, asked.encoding
    )
    return _page_told(page, asked.encoding)


@tool(ADDS)
async def send_input(asked: SendInput, call: Call) -> Sent:
    """Give a process standard input, as if somebody typed it. It must have been started with open_stdin."""
    process = _process(asked, call)
    if asked.text:
        await process.write(asked.text)
    if asked.close:
        await process.close_stdin()
    return Sent(process_id=asked.process_id, closed=asked.close)


@tool(CHANGES)
async def stop_process(asked: StopProcess, call: Call) -> Stopped:
    """End a process and all that it has started. One that has ended stays as it is."""
    verdict = await _process(asked, call).kill(grace=asked.grace_seconds)
    return Stopped(
        process_id=asked.process_id,
        exit_code=verdict.exit_code,
        ended=verdict.kind,
        message=verdict.message,
    )


def _process(asked: OneProcess, call: Call) -> BackgroundProcess:
    sandbox = call.find(asked.sandbox_id).sandbox
    return sandbox.client.get_process(sandbox.session_id, asked.process_id)


def _told(record: Execution) -> ProcessTold:
    exit_code, message = _end(record.verdict)
    return ProcessTold(
        process_id=str(record.execution_id),
        command=record.command,
        state=record.state,
        exit_code=exit_code,
        message=message,
        seconds=round(record.duration, 3),
        output_bytes=record.end_offset,
    )


def _page_told(page: Page, encoding: Encoding) -> OutputTold:
    exit_code, message = _end(page.record.verdict)
    return OutputTold(
        pieces=[OutputPiece(stream=piece.stream, text=piece.text(encoding)) for piece in page.pieces],
        next_offset=page.next_offset,
        more=page.next_offset < page.record.end_offset,
        binary=page.binary,
        left_out_bytes=page.left_out,
        state=page.record.state,
        exit_code=exit_code,
        message=message,
    )


def _end(verdict: Verdict | None) -> tuple[int | None, str | None]:
    return (None, None) if verdict is None else (verdict.exit_code, verdict.message)
