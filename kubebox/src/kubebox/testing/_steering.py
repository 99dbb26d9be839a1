"""Steering: input, signals, terminals, and shells that stay."""

import asyncio
import hashlib
import os
import time

from kubebox import errors
from kubebox._results import BackgroundProcess
from kubebox._terminal import Terminal
from kubebox.testing._box import Box
from kubebox.testing._expect import equal, refused, true
from kubebox_protocol.limits import MAX_INPUT_BYTES

PROMPT_SECONDS = 10.0
"""Seconds within which something that must not hang has to come back, on a machine that is busy."""


async def input_is_given_while_a_command_runs(box: Box) -> None:
    """Bytes that are written to a running command arrive exactly, and end when they are closed."""
    content = os.urandom(3_000_001)
    process = await box.background(["sha256sum"], open_stdin=True)
    await process.write(content)
    await process.close_stdin()
    await process.close_stdin()
    equal((await _output(process)).split()[0], hashlib.sha256(content).hexdigest())
    await refused(process.write("late"), errors.InputClosed, "input-closed")


async def a_stream_answers_what_is_written_to_it(box: Box) -> None:
    """A STREAM with open input is a conversation."""
    stream = await box.stream("while read -r line; do echo got $line; done", open_stdin=True)
    pieces = aiter(stream)
    for word in ("one", "two"):
        await stream.write(f"{word}\n")
        equal((await anext(pieces)).output, f"got {word}\n")
    await stream.close_stdin()
    equal([piece.output async for piece in pieces], list[str]())
    equal(stream.exit_code, 0)


async def a_command_that_does_not_read_holds_its_writer_back(box: Box) -> None:
    """Input that nobody reads waits; it is refused when the command has ended."""
    process = await box.background("exec sleep 60", open_stdin=True)
    writing = asyncio.ensure_future(process.write(bytes(16 * MAX_INPUT_BYTES)))
    while (await process.status()).stdin_offset < 2 * MAX_INPUT_BYTES:
        true(not writing.done(), "more was taken than a pipe holds")
    await process.kill()
    await refused(writing, errors.InputClosed, "input-closed")


async def input_needs_to_be_left_open(box: Box) -> None:
    """A command without open input takes none."""
    process = await box.background("exec sleep 60")
    await refused(process.write("x"), errors.InputClosed, "input-closed")
    await refused(box.wait("cat", open_stdin=True), errors.InvalidArgument)


async def signals_are_sent_by_name(box: Box) -> None:
    """A signal reaches the command, or its whole tree; a name that is none is refused."""
    stream = await box.stream("trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.02; done")
    pieces = aiter(stream)
    equal((await anext(pieces)).output, "ready\n")
    equal(await stream.signal("SIGUSR1", scope="leader"), 1)
    equal("".join([piece.output async for piece in pieces]), "caught\n")
    equal(stream.exit_code, 3)
    await refused(stream.signal("NONSENSE"), errors.InvalidArgument)
    await refused(stream.signal("INT", scope="leader"), errors.ExecutionEnded, "execution-ended")


async def a_terminal_is_one(box: Box) -> None:
    """Programs see a terminal of the size asked for, and Ctrl-C interrupts."""
    command = "tty; stty size; trap 'echo stopped; exit 7' INT; echo ready; while :; do sleep 0.02; done"
    async with box.client.open_terminal(box.session_id, command, rows=40, columns=100) as terminal:
        lines = (await _until(terminal, b"ready\r\n")).split(b"\r\n")
        true(lines[0].startswith(b"/dev/"), f"tty says {lines[0]!r}")
        equal(lines[1], b"40 100")
        await terminal.write(b"\x03")
        await _until(terminal, b"stopped\r\n")
        equal((await terminal.wait()).exit_code, 7)
        await refused(terminal.resize(24, 80), errors.ExecutionEnded, "execution-ended")


async def a_terminal_can_be_resized(box: Box) -> None:
    """A resize reaches the running program; a size that is none is refused."""
    command = "echo ready; until [ \"$(stty size)\" = '50 132' ]; do sleep 0.02; done; echo larger"
    async with box.client.open_terminal(box.session_id, command) as terminal:
        await _until(terminal, b"ready\r\n")
        await refused(terminal.resize(0, 0), errors.InvalidArgument)
        await terminal.resize(50, 132)
        await _until(terminal, b"larger\r\n")


async def an_interactive_shell_is_the_usual_terminal(box: Box) -> None:
    """Without a command, a terminal runs an interactive shell."""
    async with box.client.open_terminal(box.session_id) as terminal:
        await terminal.write("case $- in *i*) echo inter''active;; esac; exit 5\n")
        await _until(terminal, b"interactive\r\n")
        equal((await terminal.wait()).exit_code, 5)


async def a_terminal_that_was_left_goes_on(box: Box) -> None:
    """A viewer leaves, and another one goes on at the byte, or sees what was shown before."""
    async with box.client.open_terminal(box.session_id, "stty -echo; echo ready; exec cat") as terminal:
        await _until(terminal, b"ready\r\n")
    later = await box.client.attach_terminal(box.session_id, terminal.process_id, terminal.offset)
    await later.write("more\n")
    equal(await _until(later, b"more\r\n"), b"more\r\n")
    await later.detach()
    tail = await box.client.attach_terminal(box.session_id, terminal.process_id)
    equal(await _until(tail, b"more\r\n"), b"ready\r\nmore\r\n")
    equal((await tail.kill()).kind, "killed")


async def a_shell_keeps_what_commands_set(box: Box) -> None:
    """Folder, variables and functions stay from one command to the next, and so does the last code."""
    async with box.client.open_shell(box.session_id) as shell:
        equal((await shell.run("cd /; x='a  b'; f() { echo f $1; }; (exit 3)")).exit_code, 3)
        equal((await shell.run('echo $?; pwd; echo "$x"; f y')).stdout, "3\n/\na  b\nf y\n")
        result = await shell.run("echo '3 0'; echo '3 0' >&9; cat; echo err >&2; (exit 4)")
        equal((result.stdout, result.exit_code), ("3 0\n", 4))
        equal((await shell.run("echo 'open")).exit_code, 2)
        equal((await shell.run("sleep 60 & echo lives")).stdout, "lives\n")
        await refused(shell.run("a\0b"), errors.InvalidArgument)
        await refused(shell.run(" "), errors.CommandEmpty, "command-empty")


async def a_shell_gives_much_output_exactly(box: Box) -> None:
    """Output that is larger than a message arrives whole, and is the command's own."""
    async with box.client.open_shell(box.session_id) as shell:
        await shell.run("echo before")
        result = await shell.run("head -c 1000000 /dev/zero | tr '\\0' x; echo err >&2")
        equal((len(result.stdout), set(result.stdout), result.stderr), (1_000_000, {"x"}, "err\n"))
        equal((await shell.run("printf '\\377\\000'")).stdout_bytes, b"\xff\0")


async def a_shell_outlives_a_timeout(box: Box) -> None:
    """A timeout ends what the command started, and the shell goes on with its state."""
    async with box.client.open_shell(box.session_id) as shell:
        await shell.run("x=kept")
        started = time.monotonic()
        result = await shell.run("echo begun; sleep 60", timeout=0.3)
        true(time.monotonic() - started < PROMPT_SECONDS, "the timeout came late")
        equal((result.stdout, result.verdict.kind), ("begun\n", "timed-out"))
        equal((await shell.run("echo $x")).stdout, "kept\n")
        equal((await shell.run("while :; do :; done", timeout=0.3)).verdict.kind, "timed-out")
        await refused(shell.run("true"), errors.ExecutionEnded, "execution-ended")


async def a_command_that_ends_its_shell_gives_its_result(box: Box) -> None:
    """`exit`, `exec` and `set -e` end a shell with a result; only the next command finds none."""
    for command, code in (("exit 3", 3), ("exec sh -c 'exit 4'", 4), ("set -e; false; echo no", 1)):
        async with box.client.open_shell(box.session_id) as shell:
            result = await shell.run(command)
            equal((result.exit_code, result.stdout, result.verdict.kind), (code, "", "exited"))
            await refused(shell.run("true"), errors.ExecutionEnded, "execution-ended")


async def commands_are_listed_by_kind(box: Box) -> None:
    """A listing says what each is, what it runs, and what it took."""
    await box.wait("echo x")
    await box.client.open_terminal(box.session_id, "exec sleep 60")
    await box.client.open_shell(box.session_id)
    listed = await box.client.list_commands(box.session_id)
    equal([each.kind for each in listed], ["command", "terminal", "shell"])
    equal((listed[0].command, listed[0].state, listed[1].command), ("echo x", "ended", "exec sleep 60"))
    true(listed[0].cpu_seconds is not None, "an ended command says what it took")


async def _output(process: BackgroundProcess) -> str:
    return "".join([piece.output async for piece in process.attach()])


async def _until(terminal: Terminal, expected: bytes) -> bytes:
    shown = b""
    async for data in terminal:
        shown += data
        if expected in shown:
            break
    true(expected in shown, f"it showed {shown!r}, and never {expected!r}")
    return shown


CHECKS = (
    input_is_given_while_a_command_runs,
    a_stream_answers_what_is_written_to_it,
    a_command_that_does_not_read_holds_its_writer_back,
    input_needs_to_be_left_open,
    signals_are_sent_by_name,
    a_terminal_is_one,
    a_terminal_can_be_resized,
    an_interactive_shell_is_the_usual_terminal,
    a_terminal_that_was_left_goes_on,
    a_shell_keeps_what_commands_set,
    a_shell_gives_much_output_exactly,
    a_shell_outlives_a_timeout,
    a_command_that_ends_its_shell_gives_its_result,
    commands_are_listed_by_kind,
)
