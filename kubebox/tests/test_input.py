"""Standard input that is given while a command runs: exact, held back by who reads, and one writer's."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from kubebox import errors
from kubebox._results import BackgroundProcess, CommandStream
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode
from kubebox_protocol.limits import MAX_INPUT_BYTES

from .conftest import PATIENCE, Server

BACKGROUND = CommandMode.BACKGROUND
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def other(server: Server) -> AsyncGenerator[SandboxClient]:
    """Another client: for the server, another writer."""
    async with SandboxClient(server.private_key, server.url) as client:
        yield client


async def reader(client: SandboxClient, session: str, command: str | list[str] = "cat") -> BackgroundProcess:
    return await client.run_command(session, command, BACKGROUND, open_stdin=True)


async def text_of(process: BackgroundProcess) -> str:
    return "".join([piece.output async for piece in process.attach()])


async def until_given(process: BackgroundProcess, count: int) -> None:
    with anyio.fail_after(PATIENCE):
        while (await process.status()).stdin_offset < count:
            pass


async def test_eight_mebibytes_arrive_exactly(client: SandboxClient, session: str) -> None:
    content = os.urandom(8 * MEBIBYTE)
    process = await reader(client, session, ["sha256sum"])
    await process.write(content)
    await process.close_stdin()
    assert (await text_of(process)).split()[0] == hashlib.sha256(content).hexdigest()
    assert (await process.status()).stdin_offset == len(content)


async def test_a_stream_is_a_conversation(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(session, "while read -r line; do echo got $line; done", open_stdin=True)
    pieces = aiter(stream)
    for word in ("one", "zwölf"):
        await stream.write(f"{word}\n")
        assert (await anext(pieces)).output == f"got {word}\n"
    await stream.close_stdin()
    assert [piece.output async for piece in pieces] == []
    assert stream.exit_code == 0


async def test_output_that_nobody_reads_holds_the_input_back_and_never_for_good(tmp_path: Path) -> None:
    """The journal of a STREAM is full, so `cat` cannot write, so it does not read."""
    server = Server(tmp_path, settings={"KUBEBOX_JOURNAL_BYTES": str(MEBIBYTE)})
    server.start()
    try:
        with anyio.fail_after(2 * PATIENCE):
            async with SandboxClient(server.private_key, server.url) as client:
                await client.initialize_session("main", "main")
                await conversation_through_a_full_pipe(client)
    finally:
        server.stop()


async def conversation_through_a_full_pipe(client: SandboxClient) -> None:
    content = os.urandom(6 * MEBIBYTE)
    stream = await client.run_command("main", "cat", open_stdin=True)

    async def write() -> None:
        await stream.write(content)
        await stream.close_stdin()

    writing = asyncio.ensure_future(write())
    await until_it_stands_still(stream)
    assert not writing.done()
    assert b"".join([piece.data async for piece in stream]) == content
    await writing


async def until_it_stands_still(stream: CommandStream) -> None:
    # Nothing tells that nothing happens any more; but at most one mebibyte is kept, beside what pipes and credit hold.
    given = -1
    while (now := (await stream.status()).stdin_offset) != given or now < MEBIBYTE:
        given = now
        await anyio.sleep(0.3)


async def test_one_that_never_reads_holds_the_writer_back_until_it_is_killed(
    client: SandboxClient, session: str
) -> None:
    process = await reader(client, session, ["sleep", "600"])
    writing = asyncio.ensure_future(process.write(bytes(MEBIBYTE)))
    await until_given(process, 2 * MAX_INPUT_BYTES)  # One piece is in the pipe, the next one waits.
    assert not writing.done()
    await process.kill()
    with pytest.raises(errors.InputClosed):
        await writing


async def test_one_that_stops_reading_refuses_the_rest(client: SandboxClient, session: str) -> None:
    process = await reader(client, session, "head -c 5; exec 0<&-; echo; exec sleep 600")
    with pytest.raises(BrokenPipeError) as caught:
        await process.write(bytes(MEBIBYTE))
    assert caught.type is errors.InputClosed
    assert (await process.status()).state == "running"
    await process.kill()


async def test_closing_twice_is_fine_and_writing_after_it_is_not(client: SandboxClient, session: str) -> None:
    process = await reader(client, session)
    await process.write("all")
    await process.close_stdin()
    await process.close_stdin()
    with pytest.raises(errors.InputClosed):
        await process.write("more")
    assert (await process.wait()).exit_code == 0
    await process.close_stdin()
    assert await text_of(process) == "all"


async def test_what_has_ended_takes_no_more(client: SandboxClient, session: str) -> None:
    process = await reader(client, session, "true")
    await process.wait()
    with pytest.raises(errors.InputClosed):
        await process.write("late")


async def test_without_an_open_input_there_is_nothing_to_write_to(
    client: SandboxClient, session: str
) -> None:
    process = await client.run_command(session, "sleep 600", BACKGROUND)
    with pytest.raises(errors.InputClosed):
        await process.write("x")
    with pytest.raises(errors.InputClosed):
        await process.close_stdin()
    await process.kill()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"mode": CommandMode.WAIT, "open_stdin": True}, "open_stdin"),
        ({"stdin": "all of it", "open_stdin": True}, "open_stdin"),
        ({"open_stdin": 5}, "open_stdin"),
        ({"lease": 0}, "lease"),
    ],
)
async def test_what_does_not_go_together_is_refused(
    client: SandboxClient, session: str, arguments: dict[str, Any], named: str
) -> None:
    run: Any = client.run_command
    with pytest.raises(errors.InvalidArgument, match=f"^{named}: "):
        await run(session, "cat", **arguments)


@pytest.mark.parametrize("data", [5, None, ["x"], "\ud800"])
async def test_input_is_bytes_or_text(client: SandboxClient, session: str, data: Any) -> None:
    process = await reader(client, session)
    with pytest.raises(errors.InvalidArgument, match=r"^data: "):
        await process.write(data)
    await process.close_stdin()


async def test_writes_queue_up(client: SandboxClient, session: str) -> None:
    process = await reader(client, session)
    parts = [bytes([letter]) * 100_000 for letter in b"abcdef"]
    again = client.get_process(
        session, process.process_id
    )  # The same writer, whatever object it is used through.
    await asyncio.gather(*((process, again)[n % 2].write(part) for n, part in enumerate(parts)))
    await again.close_stdin()
    assert await text_of(process) == b"".join(parts).decode()


async def test_a_second_client_writes_only_if_it_takes_over(
    client: SandboxClient, other: SandboxClient, session: str
) -> None:
    process = await reader(client, session)
    theirs = other.get_process(session, process.process_id)
    await process.write("mine ")
    for refused in (theirs.write("no"), theirs.close_stdin()):
        with pytest.raises(errors.InputConflict):
            await refused
    await theirs.write("theirs ", take=True)
    with pytest.raises(errors.InputConflict):
        await process.write("no")
    await process.write("mine again", take=True)
    await process.close_stdin()
    assert await text_of(process) == "mine theirs mine again"


async def test_a_client_that_is_gone_lets_go(client: SandboxClient, server: Server, session: str) -> None:
    process = await reader(client, session)
    async with SandboxClient(server.private_key, server.url) as gone:
        await gone.get_process(session, process.process_id).write("first ")
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                await process.write("second")
                break
            except errors.InputConflict:  # The server has not seen the other one leave.
                continue
    await process.close_stdin()
    assert await text_of(process) == "first second"


async def test_a_write_that_was_given_up_is_gone_on_after(client: SandboxClient, session: str) -> None:
    content = os.urandom(MEBIBYTE)
    await client.run_command(session, "mkfifo go", CommandMode.WAIT)
    process = await reader(client, session, "read line < go; exec sha256sum")
    writing = asyncio.ensure_future(process.write(content))
    await until_given(process, 2 * MAX_INPUT_BYTES)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await client.run_command(session, "echo > go", CommandMode.WAIT)
    await process.write(content[(await process.status()).stdin_offset :])
    await process.close_stdin()
    assert (await text_of(process)).split()[0] == hashlib.sha256(content).hexdigest()


async def test_what_waits_for_commands_leaves_room_for_a_kill(client: SandboxClient, session: str) -> None:
    """A hundred writers wait at once, more than a connection has questions."""
    processes = [await reader(client, session, ["sleep", "600"]) for _ in range(100)]
    writing = [asyncio.ensure_future(process.write(bytes(MEBIBYTE))) for process in processes]
    await until_given(processes[0], 2 * MAX_INPUT_BYTES)
    with anyio.fail_after(PATIENCE):
        await client.kill_all_processes(session)
        outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {errors.InputClosed}
