"""Terminals: what programs see of one, what viewers see of it, and who writes."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from kubebox import errors
from kubebox._terminal import TAIL_BYTES, Terminal
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.limits import MAX_INPUT_BYTES

from .conftest import PATIENCE, Server

PLAIN = {"PS1": "prompt: ", "TERM": "dumb", "INPUTRC": "/dev/null", "HOME": "/nonexistent"}
"""A shell without colours, and with nothing of whoever runs the tests."""

JOB = """
import signal

def go_on(*_):
    print("in front again", flush=True)

def interrupted(*_):
    print("interrupted", flush=True)
    raise SystemExit(7)

signal.signal(signal.SIGCONT, go_on)
signal.signal(signal.SIGINT, interrupted)
print("in front", flush=True)
while True:
    signal.pause()
"""
"""It says when it has the terminal: keys that come before go to the shell."""

TOLD_OF_SIZES = """
import os, signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
print("ready", flush=True)
while True:
    signal.sigwait({signal.SIGWINCH})
    columns, rows = os.get_terminal_size()
    print(rows, columns, flush=True)
"""
"""In a shell, a signal that comes while its trap runs may be lost."""

CURSES = """
import curses

def main(screen):
    curses.curs_set(0)
    screen.timeout(50)
    while True:
        rows, columns = screen.getmaxyx()
        screen.clear()
        screen.addstr(rows - 1, 0, f"size {rows}x{columns}")
        screen.refresh()
        key = screen.getch()
        if key == ord("q"):
            return

curses.wrapper(main)
print("left the screen")
"""


@pytest.fixture
async def other(server: Server) -> AsyncGenerator[SandboxClient]:
    """Another client: another viewer, and another writer."""
    async with SandboxClient(server.private_key, server.url) as client:
        yield client


async def until(terminal: Terminal, pattern: bytes) -> bytes:
    """What it shows, up to the piece in which the pattern comes."""
    shown = b""
    with anyio.fail_after(PATIENCE / 2):
        async for data in terminal:
            shown += data
            if re.search(pattern, shown):
                return shown
    raise AssertionError(f"it ended without {pattern!r}: {shown!r}")


async def rest(terminal: Terminal) -> bytes:
    with anyio.fail_after(PATIENCE):
        return b"".join([data async for data in terminal])


async def test_a_program_sits_at_a_terminal_of_the_size_asked_for(
    client: SandboxClient, session: str
) -> None:
    terminal = await client.open_terminal(
        session, "tty; stty size; echo $TERM; test -t 0 -a -t 1 -a -t 2; exit $?", rows=50, columns=132
    )
    device, size, term = (await rest(terminal)).decode().split("\r\n")[:3]
    assert device.startswith("/dev/pts/")
    assert (size, term, terminal.exit_code) == ("50 132", "xterm-256color", 0)
    assert (await client.check_status(session, terminal.process_id)).kind == "terminal"


async def test_without_a_command_it_is_an_interactive_shell(client: SandboxClient, session: str) -> None:
    async with client.open_terminal(session) as terminal:
        await terminal.write("case $- in *i*) echo inter''active $0;; esac\n")
        assert b"bash" in await until(terminal, rb"interactive \S+\r\n")
        await terminal.write("exit 5\n")
        assert (await terminal.wait()).exit_code == 5
        await rest(terminal)
        assert terminal.exit_code == 5


async def test_job_control_and_the_keys_that_send_signals(client: SandboxClient, session: str) -> None:
    await client.write_file(session, "job.py", JOB)
    command = ["bash", "--norc", "--noprofile", "-i"]
    async with client.open_terminal(session, command, env=PLAIN) as terminal:
        await until(terminal, rb"prompt: $")
        await terminal.write("/usr/bin/python3 job.py\n")
        await until(terminal, rb"in front\r\n")
        await terminal.write(b"\x1a")
        await until(terminal, rb"Stopped[^$]*prompt: $")
        await terminal.write("fg\n")
        await until(terminal, rb"in front again\r\n")
        await terminal.write(b"\x03")
        await until(terminal, rb"interrupted\r\n.*prompt: $")
        await terminal.write("echo code $?\n")
        await until(terminal, rb"code 7\r\n.*prompt: $")
        await terminal.write(b"\x04")
        assert (await terminal.wait()).kind == "exited"


async def test_a_running_program_learns_of_a_resize(client: SandboxClient, session: str) -> None:
    async with client.open_terminal(session, ["/usr/bin/python3", "-c", TOLD_OF_SIZES]) as terminal:
        await until(terminal, rb"ready\r\n")
        for rows, columns in ((50, 132), (1, 1), (65535, 65535)):
            await terminal.resize(rows, columns)
            await until(terminal, b"%d %d\r\n" % (rows, columns))
        await terminal.kill()


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 80), (24, 0), (-1, 80), (65536, 80), ("many", 80)])
async def test_a_size_that_is_none_is_refused(
    client: SandboxClient, session: str, rows: Any, columns: Any
) -> None:
    terminal = await client.open_terminal(session, "exec sleep 600")
    with pytest.raises(errors.InvalidArgument, match=r"^(rows|columns): "):
        await terminal.resize(rows, columns)
    with pytest.raises(errors.InvalidArgument, match=r"^(rows|columns): "):
        await client.open_terminal(session, rows=rows, columns=columns)
    await terminal.kill()


async def test_what_has_ended_or_never_had_one_takes_no_size(client: SandboxClient, session: str) -> None:
    terminal = await client.open_terminal(session, "true")
    await terminal.wait()
    with pytest.raises(errors.ExecutionEnded):
        await terminal.resize(24, 80)
    process = await client.run_command(session, ["sleep", "600"], CommandMode.BACKGROUND)
    with pytest.raises(errors.NotATerminal):
        await client.attach_terminal(session, process.process_id)
    with pytest.raises(errors.NotATerminal):
        await client.executions.steering.resize(session, process.process_id, 24, 80)
    await process.kill()


async def test_a_program_that_uses_all_of_the_screen(client: SandboxClient, session: str) -> None:
    await client.write_file(session, "screen.py", CURSES)
    async with client.open_terminal(session, ["/usr/bin/python3", "screen.py"]) as terminal:
        await until(terminal, rb"size 24x80")
        await terminal.resize(30, 100)
        await until(terminal, rb"30x100")
        await terminal.write("q")
        assert b"left the screen" in await rest(terminal)
        assert terminal.exit_code == 0


async def test_an_editor_and_a_pager(client: SandboxClient, session: str) -> None:
    script = "command -v vi >/dev/null && command -v less >/dev/null && echo both"
    if (await client.run_command(session, script, CommandMode.WAIT)).stdout != "both\n":
        pytest.skip("vi and less are not installed")
    vi = await client.open_terminal(session, ["vi", "-n", "-u", "NONE", "file"])
    await until(vi, rb"~")
    await vi.write("ihello from vi\x1b:wq\r")
    assert (await vi.wait()).exit_code == 0
    assert await client.get_file(session, "file") == "hello from vi\n"
    less = await client.open_terminal(session, "seq 1 1000 | less")
    await until(less, rb"23\r\n:")
    await less.write("G")
    await until(less, rb"1000")
    await less.write("q")
    assert (await less.wait()).exit_code == 0


async def test_a_paste_of_200_kilobytes_arrives_whole(client: SandboxClient, session: str) -> None:
    pasted = b"".join(b"line %06d of what was pasted\n" % number for number in range(7000))
    terminal = await client.open_terminal(session, "stty -echo; echo ready; exec cat > pasted")
    await until(terminal, rb"ready")
    await terminal.write(pasted)
    await terminal.close_stdin()  # As Ctrl-D.
    assert (await terminal.wait()).exit_code == 0
    assert await client.get_file(session, "pasted", encoding=None) == pasted


async def test_raw_bytes_go_both_ways_exactly(client: SandboxClient, session: str) -> None:
    content = os.urandom(200_000)
    terminal = await client.open_terminal(session, "stty raw -echo; echo ready; exec cat")
    await until(terminal, rb"ready\n$")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(terminal.write(content))
        back = b""
        with anyio.fail_after(PATIENCE):
            async for data in terminal:
                back += data
                if len(back) >= len(content):
                    break
    assert back == content
    await terminal.kill()


async def test_two_viewers_see_the_same_and_one_writes(
    client: SandboxClient, other: SandboxClient, session: str
) -> None:
    mine = await client.open_terminal(session, "stty -echo; echo ready; exec cat")
    shown = await until(mine, rb"ready\r\n")
    theirs = await other.attach_terminal(session, mine.process_id)
    assert await until(theirs, rb"ready\r\n") == shown
    await mine.write("from the first\n")
    assert await until(mine, rb"first\r\n") == await until(theirs, rb"first\r\n")
    with pytest.raises(errors.InputConflict):
        await theirs.write("no")
    await theirs.write("from the second\n", take=True)
    assert await until(mine, rb"second\r\n") == await until(theirs, rb"second\r\n")
    with pytest.raises(errors.InputConflict):
        await mine.write("no")
    await mine.write("mine again\n", take=True)
    assert await until(theirs, rb"again\r\n") == await until(mine, rb"again\r\n")
    await theirs.kill()
    assert await rest(mine) == await rest(theirs) == b""
    assert mine.verdict == theirs.verdict
    assert mine.verdict is not None
    assert mine.verdict.kind == "killed"


async def test_a_terminal_that_was_left_goes_on_and_is_found_again_at_an_offset(
    client: SandboxClient, other: SandboxClient, session: str
) -> None:
    async with client.open_terminal(session, "stty -echo; echo ready; exec cat") as terminal:
        await until(terminal, rb"ready\r\n")
    place = terminal.offset
    again = await other.attach_terminal(session, terminal.process_id, place)
    await again.write("meanwhile\n")
    assert await until(again, rb"meanwhile\r\n") == b"meanwhile\r\n"
    await terminal.detach()
    assert await until(terminal, rb"meanwhile\r\n") == b"meanwhile\r\n"
    whole = await other.attach_terminal(session, terminal.process_id, 0)
    assert await until(whole, rb"meanwhile\r\n") == b"ready\r\nmeanwhile\r\n"
    await whole.kill()


async def test_a_viewer_that_comes_later_gets_the_tail(client: SandboxClient, session: str) -> None:
    terminal = await client.open_terminal(session, "seq 1 100000; exec sleep 600")
    await until(terminal, rb"\b100000\r\n$")
    end = terminal.offset
    later = await client.attach_terminal(session, terminal.process_id)
    assert later.offset == end - TAIL_BYTES
    assert len(await until(later, rb"\b100000\r\n$")) == TAIL_BYTES
    with pytest.raises(errors.NotSupported):  # One reader in each client: the later one took over.
        await anext(terminal)
    await later.kill()


async def test_leaving_a_loop_or_giving_up_loses_nothing(client: SandboxClient, session: str) -> None:
    terminal = await client.open_terminal(
        session, "stty -echo; echo ready; while read -r l; do echo got $l; done"
    )
    await until(terminal, rb"ready\r\n")
    shown = b""
    for number in range(50):
        with anyio.move_on_after(0.001):
            shown += await anext(terminal)
        await terminal.write(f"{number}\n")
    await terminal.close_stdin()
    shown += await rest(terminal)
    assert shown.split(b"\r\n") == [*(b"got %d" % number for number in range(50)), b""]


async def test_coming_and_going_viewers_see_every_byte_once(
    client: SandboxClient, other: SandboxClient, session: str
) -> None:
    """Detaching races with output that is on its way."""
    terminal = await other.open_terminal(session, "seq 1 20000")
    place, shown = 0, b""
    viewer = await client.attach_terminal(session, terminal.process_id, place)
    with anyio.fail_after(2 * PATIENCE):
        while viewer.verdict is None:
            async for data in viewer:
                shown += data
                await viewer.detach()
                break
    assert shown == b"".join(b"%d\r\n" % number for number in range(1, 20001))


async def test_a_terminal_is_started_once_under_its_id(client: SandboxClient, session: str) -> None:
    first = await client.open_terminal(session, "echo $$; exec sleep 600")
    shown = await until(first, rb"\d+\r\n")
    again = await client.open_terminal(session, "echo $$; exec sleep 600", process_id=first.process_id)
    assert await until(again, rb"\d+\r\n") == shown
    with pytest.raises(errors.ExecutionConflict):
        await client.open_terminal(session, "other", process_id=first.process_id)
    await again.kill()


async def test_typing_where_nobody_reads_waits_and_ends_with_the_command(
    client: SandboxClient, session: str
) -> None:
    terminal = await client.open_terminal(session, "stty raw -echo; echo ready; exec sleep 600")
    await until(terminal, rb"ready")
    writing = asyncio.ensure_future(terminal.write(bytes(10 * MAX_INPUT_BYTES)))
    with anyio.fail_after(PATIENCE):
        while (await terminal.status()).stdin_offset < 2 * MAX_INPUT_BYTES:
            pass
    await terminal.kill()
    with pytest.raises(errors.InputClosed):
        await writing
    with pytest.raises(errors.InputClosed):
        await terminal.write("more")


async def test_a_lease_ends_what_nobody_views(client: SandboxClient, session: str) -> None:
    terminal = await client.open_terminal(session, "echo ready; exec sleep 600", lease=0.2)
    await until(terminal, rb"ready")
    await terminal.detach()
    verdict = await terminal.wait()
    assert (verdict.kind, verdict.by) == ("killed", "lease")
