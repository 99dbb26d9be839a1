"""F01, F02: input, terminals and shells over lines that break: no byte of input twice, no command of a shell twice."""

import asyncio
import hashlib
import os

import anyio
import pytest

from kubebox import CommandResult, errors
from kubebox._terminal import Terminal
from kubebox._transport import http
from tests.faults.lines import Line, OpenLine
from tests.faults.proxy import Cut, random_places
from tests.soak.sizes import LIMIT, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

HEARTBEAT_SECONDS = 0.4
INPUT_BYTES = sized(4, 64) * 1024 * 1024


async def give_up_while_it_is_down(line: Line, running: "asyncio.Future[CommandResult]") -> None:
    """A caller does not wait any longer, while the client knows of no way to the server."""
    await line.proxy.shut()
    await line.direct.wait("true")  # By then the client knows.
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    line.proxy.open()


@pytest.mark.parametrize("how", list(Cut))
async def test_input_whose_answer_is_lost_is_given_once(open_line: OpenLine, how: Cut) -> None:
    line = await open_line()
    process = await line.box.background("cat", open_stdin=True)
    await process.write("one ")
    line.proxy.cut_instead_of(answer=True, how=how)
    await process.write("two ")
    line.proxy.cut_instead_of(answer=False, how=how)
    await process.write("three")
    await process.close_stdin()
    assert "".join([piece.output async for piece in process.attach()]) == "one two three"
    assert line.proxy.cuts == 2


async def test_much_input_is_exact_over_every_cut(open_line: OpenLine) -> None:
    line, content = await open_line(), os.urandom(INPUT_BYTES)
    process = await line.box.background(["sha256sum"], open_stdin=True)
    # Answers are short: some hundred bytes for each piece of 64 KiB.
    line.proxy.cut_at(random_places(5, INPUT_BYTES // (512 * 1024), 600))
    await process.write(content)
    await process.close_stdin()
    shown = "".join([piece.output async for piece in process.attach()])
    assert shown.split()[0] == hashlib.sha256(content).hexdigest()
    assert line.proxy.cuts > 2


async def test_a_writer_comes_back_while_its_silent_line_still_holds_its_place(
    open_line: OpenLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "IDLE_SECONDS", HEARTBEAT_SECONDS)
    line = await open_line(heartbeat=HEARTBEAT_SECONDS)
    process = await line.box.background("cat", open_stdin=True)
    await process.write("one ")
    line.proxy.stall()
    await process.write("two ")
    await process.write("three")
    await process.close_stdin()
    assert (
        await line.direct.client.get_process(line.direct.session_id, process.process_id).wait()
    ).exit_code == 0
    assert "".join([piece.output async for piece in process.attach()]) == "one two three"


async def test_a_writer_whose_place_was_taken_while_it_was_cut_off_is_told(open_line: OpenLine) -> None:
    line = await open_line()
    process = await line.box.background("cat", open_stdin=True)
    await process.write("one ")
    opened = line.proxy.opened
    line.proxy.cut(Cut.RST)
    other = line.direct.client.get_process(line.direct.session_id, process.process_id)
    await other.write("two ", take=True)
    with pytest.raises(errors.InputConflict):
        await process.write("three")
    await line.back(opened)
    await process.write("three", take=True)
    await process.close_stdin()
    assert "".join([piece.output async for piece in process.attach()]) == "one two three"


async def test_a_shells_command_runs_once_over_every_cut(open_line: OpenLine) -> None:
    line = await open_line()
    shell = await line.box.client.open_shell(line.box.session_id)
    await shell.run("n=0")
    line.proxy.cut_at(random_places(6, sized(20, 200), 800))
    for number in range(1, sized(150, 1500)):
        result = await shell.run("n=$((n + 1)); echo $n")
        assert (result.stdout, result.exit_code) == (f"{number}\n", 0)
    assert line.proxy.cuts > sized(10, 100)
    await shell.close()


@pytest.mark.parametrize("answer", [True, False])
async def test_a_shells_last_command_is_found_again_after_a_cut(open_line: OpenLine, answer: bool) -> None:
    line = await open_line()
    async with line.box.client.open_shell(line.box.session_id) as shell:
        await shell.run("n=0")
        line.proxy.cut_instead_of(answer=answer)
        result = await shell.run("n=$((n + 1)); echo $n; exit 3")
        assert (result.stdout, result.exit_code) == ("1\n", 3)
        with pytest.raises(errors.ExecutionEnded):
            await shell.run("echo more")


async def test_a_shells_output_that_is_read_by_itself_is_exact_over_cuts(open_line: OpenLine) -> None:
    line = await open_line()
    async with line.box.client.open_shell(line.box.session_id) as shell:
        await shell.run("echo before")
        line.proxy.cut_at(random_places(7, 10, 100_000))
        result = await shell.run("seq 1 300000; (sleep 600; echo late) &")
        assert result.stdout == "".join(f"{number}\n" for number in range(1, 300_001))
        assert line.proxy.cuts > 3


async def test_a_caller_that_is_cancelled_while_the_line_is_down_leaves_nothing_running(
    open_line: OpenLine,
) -> None:
    line = await open_line()
    async with line.box.client.open_shell(line.box.session_id) as shell:
        running = asyncio.ensure_future(shell.run("echo on > on; sleep 600"))
        await line.running()
        await give_up_while_it_is_down(line, running)
        assert (await shell.run("echo next")).stdout == "next\n"


async def test_a_command_that_never_came_to_its_shell_is_not_run_by_a_caller_who_has_given_up(
    open_line: OpenLine,
) -> None:
    line = await open_line()
    async with line.box.client.open_shell(line.box.session_id) as shell:
        await shell.run("true")
        line.proxy.stall()
        running = asyncio.ensure_future(shell.run("touch wrong"))
        await asyncio.sleep(0)
        await line.direct.wait("true")  # Until then it has been sent, into a line that passes nothing on.
        await give_up_while_it_is_down(line, running)
        assert (await shell.run("echo next; ls")).stdout == "next\n"


async def test_after_a_loss_for_good_the_next_caller_waits_for_what_was_left(open_line: OpenLine) -> None:
    line = await open_line(reconnect=0.2)
    shell = await line.box.client.open_shell(line.box.session_id)
    running = asyncio.ensure_future(shell.run("n=1; echo on > on; until [ -e go ]; do sleep 0.02; done; n=2"))
    await line.running()
    await line.proxy.shut()
    with pytest.raises(errors.ConnectionLost) as caught:
        await running
    assert caught.value.data["process_id"] == shell.process_id
    line.proxy.open()
    await line.box.client.connect()
    again = asyncio.ensure_future(shell.run("echo $n"))
    await line.go()
    assert (await again).stdout == "2\n"
    await shell.close()


async def test_a_terminal_is_viewed_and_typed_into_over_every_cut(open_line: OpenLine) -> None:
    line = await open_line()
    terminal = await line.box.client.open_terminal(line.box.session_id, "stty -echo; echo ready; exec cat")
    await until(terminal, b"ready\r\n")
    line.proxy.cut_at(random_places(8, 15, 700))
    for number in range(60):
        await terminal.write(f"line {number}\n")
        assert await until(terminal, b"\r\n") == b"line %d\r\n" % number
    assert line.proxy.cuts > 5
    await terminal.kill()


async def until(terminal: Terminal, end: bytes) -> bytes:
    shown = b""
    with anyio.fail_after(LIMIT / 2):
        async for data in terminal:
            shown += data
            if shown.endswith(end):
                return shown
    raise AssertionError(shown)


async def test_a_size_is_given_over_a_cut(open_line: OpenLine) -> None:
    line: Line = await open_line()
    terminal = await line.box.client.open_terminal(line.box.session_id, "read line; stty size")
    line.proxy.cut_instead_of(answer=True)
    await terminal.resize(50, 132)
    await terminal.write("\n")
    await until(terminal, b"50 132\r\n")
