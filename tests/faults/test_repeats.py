"""F02, H42: what was under way when the line broke is done once: asked again where that changes nothing, told where not."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from kubebox import CommandMode, errors
from tests.faults.lines import OpenLine
from tests.soak.sizes import LIMIT

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

MODES = [CommandMode.WAIT, CommandMode.STREAM, CommandMode.BACKGROUND]


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("mode", MODES)
async def test_a_start_that_was_cut_off_runs_once(
    open_line: OpenLine, mode: CommandMode, large: bool, answer: bool
) -> None:
    """F02: neither the request nor its answer may be lost, whichever the cut strikes, and over which door it goes."""
    line = await open_line()
    stdin = b"x" * 500_000 if large else b"x"
    line.proxy.cut_instead_of(answer=answer)
    run = partial(line.box.client.run_command, line.box.session_id, "echo ran >> count; wc -c", stdin=stdin)
    output = f"{len(stdin)}\n"
    if mode is CommandMode.WAIT:
        assert (await run(mode=mode)).stdout == output
    elif mode is CommandMode.STREAM:
        assert "".join([piece.output async for piece in await run(mode=mode)]) == output
    else:
        process = await run(mode=mode)
        assert (await process.wait()).exit_code == 0
    assert line.proxy.cuts == 1
    assert await line.direct.client.get_file(line.direct.session_id, "count") == "ran\n"


async def test_what_was_cut_off_is_asked_again_where_that_changes_nothing(open_line: OpenLine) -> None:
    line = await open_line()
    client, session = line.box.client, line.box.session_id
    await client.write_file(session, "a", "content")
    process = await line.box.background("exec sleep 60")
    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: client.get_file(session, "a"),
        lambda: client.file_exists(session, "a"),
        lambda: client.stat_file(session, "a"),
        lambda: client.list_files(session),
        lambda: client.make_dirs(session, "b/c"),
        lambda: client.initialize_session(session, session),
        client.list_sessions,
        lambda: client.list_commands(session),
        process.status,
        process.kill,
        process.wait,
    ]
    for number, ask in enumerate(asked, 1):
        line.proxy.cut_instead_of(answer=True)
        assert await ask() is not False
        assert line.proxy.cuts == number


async def test_what_was_cut_off_is_not_done_twice_where_that_would_matter(open_line: OpenLine) -> None:
    line = await open_line()
    client, session = line.box.client, line.box.session_id
    for ask in (
        lambda: client.write_file(session, "a", "content"),
        lambda: client.delete_file(session, "a"),
        lambda: client.kill_all_processes(session),
    ):
        await client.list_sessions()
        await client.file_exists(session, "a")
        line.proxy.cut_instead_of(answer=True)
        with pytest.raises(errors.ConnectionLost):
            await ask()
    assert not await client.file_exists(session, "a")
    await line.proxy.shut()
    writing = asyncio.ensure_future(client.write_file(session, "a", "later"))
    done, _ = await asyncio.wait({writing}, timeout=0.2)
    assert not done
    line.proxy.open()
    assert (await writing).size == 5  # it had never been sent
