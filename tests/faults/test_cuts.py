"""F01, F02, F06: whatever happens to the connection, the client goes on at the exact byte, and nothing runs twice."""

import asyncio
import subprocess
import sys
import time
from uuid import uuid4

import pytest

from kubebox import Sandbox, errors
from kubebox.testing import Box
from kubebox_protocol.verdicts import Verdict
from tests.conftest import Place
from tests.faults.lines import WAIT_FOR_GO, Line, OpenLine, read
from tests.faults.proxy import CHUNK_BYTES, Cut, random_places
from tests.soak.content import BLOCK, Content, produce
from tests.soak.sizes import LIMIT, figure, milliseconds, percentile, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

LONG_BLOCKS, CUTS = sized(1024, 3200), sized(100, 1000)
"""The long stream, 64 or 200 MiB, and how often its connection is cut."""

RESUMES = sized(40, 200)
RESUME_SECONDS = 0.150
"""Within this time half of all cuts must be over; nine tenths of a quiet machine's are over in a fifth of it."""

QUESTIONS_BYTES = 20_000
"""Bytes of answers between two cuts, on average: of some tens of questions. One in ten cuts or so falls into a handshake."""

ASKED_AGAIN_SECONDS = 0.5
"""The same for nine tenths of the questions that were cut, with those whose handshake was cut too."""

MOST_TRIES = 20
"""Connections in two seconds; without pauses between them there are twice as many."""

SPARE = 0.7
"""The way between two cuts, on average, as a share of the output for each: the output must outlast all cuts."""

TICKS = """
import time
while True:
    print("tick", flush=True)
    time.sleep(0.002)
"""


async def test_a_long_stream_is_exact_over_every_cut(open_line: OpenLine) -> None:
    """F02: FIN and RST at random bytes, in the handshake too."""
    line, content = await open_line(), Content()
    line.proxy.cut_at(random_places(2, CUTS, int(SPARE * LONG_BLOCKS * BLOCK / CUTS)))
    stream = await line.box.stream(produce("long", LONG_BLOCKS))
    await read(content, stream)
    content.check("long", LONG_BLOCKS)
    assert stream.exit_code == 0
    assert line.proxy.cuts == CUTS


async def test_many_streams_go_on_over_every_cut(open_line: OpenLine) -> None:
    """F02: ten at once, one connection."""
    line = await open_line()
    line.proxy.cut_at(random_places(3, 30, int(SPARE * 10 * 64 * BLOCK / 30)))

    async def one(seed: str) -> None:
        content = Content()
        await read(content, await line.box.stream(produce(seed, 64)))
        content.check(seed, 64)

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(one(f"many {number}"))
    assert line.proxy.cuts == 30


async def test_going_on_takes_no_time_to_speak_of(open_line: OpenLine) -> None:
    """F02: from the cut to the next byte."""
    line = await open_line()
    times: list[float] = []
    stream = await line.box.stream(["python3", "-c", TICKS])
    pieces = aiter(stream)
    for number in range(RESUMES):
        await anext(pieces)
        opened, began = line.proxy.opened, time.monotonic()
        line.proxy.cut(Cut.RST if number % 2 else Cut.FIN)
        while line.proxy.opened == opened:
            await anext(pieces)
        times.append(time.monotonic() - began)
    await stream.aclose()
    await line.direct.client.kill_all_processes(line.direct.session_id)
    figure("resuming", p50=milliseconds(percentile(times, 50)), p99=milliseconds(percentile(times, 99)))
    assert percentile(times, 50) < RESUME_SECONDS


async def test_whoever_only_asks_is_answered_soon_after_every_cut(open_line: OpenLine) -> None:
    """F02: a connection that brought answers was good, and the next one is made at once."""
    line = await open_line()
    process = await line.box.background("exec sleep 600")
    line.proxy.cut_at(random_places(9, CUTS, QUESTIONS_BYTES))
    times: list[float] = []
    while line.proxy.cuts < CUTS:
        cuts, began = line.proxy.cuts, time.monotonic()
        assert (await process.status()).state == "running"
        if line.proxy.cuts > cuts:
            times.append(time.monotonic() - began)
    figure(
        "a question that was cut",
        p50=milliseconds(percentile(times, 50)),
        p90=milliseconds(percentile(times, 90)),
    )
    assert percentile(times, 50) < RESUME_SECONDS
    assert percentile(times, 90) < ASKED_AGAIN_SECONDS
    await process.kill()


@pytest.mark.on_this_machine  # the proxy counts what comes at once, which a cluster's network cuts as it likes
async def test_a_line_that_stands_no_output_is_not_tried_without_a_pause(open_line: OpenLine) -> None:
    """F02: every connection answers, and is lost as soon as it brings something. That ends like a line that is down."""
    line = await open_line(reconnect=2)
    line.proxy.most = 4096
    stream = await line.box.stream("head -c 50000 /dev/zero; echo last")
    with pytest.raises(errors.ConnectionLost):
        await anext(aiter(stream))
    assert line.proxy.cuts < MOST_TRIES
    line.proxy.most = CHUNK_BYTES
    assert b"".join([piece.data async for piece in stream]) == bytes(50_000) + b"last\n"


async def test_one_byte_at_a_time_is_as_good(open_line: OpenLine) -> None:
    """F02: segments of one byte, and a cut between two of them."""
    line = await open_line()
    line.proxy.segment = 1
    line.proxy.cut_at(iter([(30_001, Cut.FIN), (1, Cut.RST), (25_007, Cut.RST)]))
    stream = await line.box.stream("seq 1 16000")
    assert b"".join([piece.data async for piece in stream]).split() == [b"%d" % n for n in range(1, 16001)]
    assert line.proxy.cuts == 3


@pytest.mark.parametrize("how", list(Cut))
async def test_an_awaited_command_outlives_cuts(open_line: OpenLine, how: Cut) -> None:
    line = await open_line()
    waiting = asyncio.ensure_future(line.box.wait(WAIT_FOR_GO))
    await line.running()
    for _ in range(3):
        opened = line.proxy.opened
        line.proxy.cut(how)
        await line.back(opened)
    await line.go()
    result = await waiting
    assert (result.stdout, result.exit_code, result.truncated) == ("first\nlast\n", 0, False)


async def test_an_awaited_command_that_ended_meanwhile_is_found(open_line: OpenLine) -> None:
    line = await open_line()
    waiting = asyncio.ensure_future(line.box.wait(WAIT_FOR_GO))
    process = asyncio.ensure_future(_wait_in_background(line))
    await line.running()
    await line.proxy.shut()
    await line.go()
    for each in await line.direct.client.list_commands(line.direct.session_id):
        await line.direct.client.get_process(line.direct.session_id, str(each.execution_id)).wait()
    line.proxy.open()
    assert (await waiting).stdout == "first\nlast\n"
    assert (await process).exit_code == 0


async def _wait_in_background(line: Line) -> Verdict:
    return await (await line.box.background(WAIT_FOR_GO)).wait()


async def test_a_watched_command_outlives_cuts(shared: Place, open_line: OpenLine) -> None:
    line = await open_line()
    seen: list[str] = []

    def watch(text: str) -> None:
        seen.append(text)
        if len(seen) % 20 == 0:
            line.proxy.cut(Cut.RST)

    sandbox = await Sandbox.create(line.proxy.url, private_key=shared.kubebox.private_key)
    result = await sandbox.run("for n in $(seq 200); do echo ä$n; sleep 0.002; done", on_stdout=watch)
    assert "".join(seen) == result.stdout == "".join(f"ä{n}\n" for n in range(1, 201))
    assert line.proxy.cuts > 3
    await sandbox.kill()


async def test_a_line_that_stays_dead_is_told_and_the_rest_is_read_later(open_line: OpenLine) -> None:
    """F06, F01: the command goes on; the same stream, and another client, find every byte."""
    line, content = await open_line(reconnect=0.5), Content()
    stream = await line.box.stream(produce("later", 128))
    pieces = aiter(stream)
    await read(content, pieces, until=16 * BLOCK)
    await line.proxy.shut()
    with pytest.raises(errors.ConnectionLost) as caught:
        await read(content, pieces)
    assert caught.value.data == {"process_id": stream.process_id, "offset": content.size}
    other = line.direct.client.attach(line.direct.session_id, stream.process_id, content.size)
    rest = b"".join([piece.data async for piece in other])
    assert content.size + len(rest) == 128 * BLOCK
    line.proxy.open()
    await read(content, stream)
    content.check("later", 128)


READER = """
import asyncio, os, sys
from kubebox import SandboxClient

async def main():
    async with SandboxClient(os.environ["KUBEBOX_PRIVATE_KEY"], sys.argv[1]) as client:
        stream = await client.run_command(sys.argv[2], sys.argv[4:], process_id=sys.argv[3])
        async for piece in stream:
            os.write(1, piece.data)

asyncio.run(main())
"""


async def test_another_program_goes_on_where_one_was_killed(shared: Place, box: Box) -> None:
    """F01: the program is killed in the middle of its stream; another one attaches at the byte it had."""
    process_id, content = str(uuid4()), Content()
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READER, shared.url, box.session_id, process_id, *produce("killed", 128),
        env={"KUBEBOX_PRIVATE_KEY": shared.kubebox.private_key}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    content.add(await program.stdout.readexactly(16 * BLOCK))
    program.kill()
    content.add(await program.stdout.read())
    await program.wait()
    assert content.size < 128 * BLOCK
    rest = box.client.attach(box.session_id, process_id, content.size)
    await read(content, rest)
    content.check("killed", 128)
    assert rest.exit_code == 0
