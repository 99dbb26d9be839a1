"""H42, H45: one execution id, many requests: by both doors, at once, before, while and after it runs."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kubebox import errors
from kubebox.testing import Box
from kubebox_protocol import events
from tests.soak.places import Place
from tests.soak.raw import Wire, rest, wire
from tests.soak.sizes import LIMIT, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

AT_ONCE = 50
ROUNDS = sized(10, 500)


async def by_rest(box: Box, start: dict[str, Any]) -> tuple[int, str | None]:
    answer = await rest(box.client, "POST", f"/v1/sessions/{box.session_id}/executions", json=start)
    return answer.status_code, answer.json().get("code")


async def by_event(one: Wire, box: Box, start: dict[str, Any]) -> tuple[int, str | None]:
    answer = await one.ask(events.START, {"session_id": box.session_id, "start": start})
    return (200, None) if "ok" in answer else (409, answer["error"]["code"])


async def test_both_doors_at_once_run_it_once(box: Box) -> None:
    """H42: fifty starts of one id, half of them by REST, the other half as events of two connections."""
    start = {"execution_id": str(uuid4()), "command": "echo ran >> runs"}
    async with wire(box.client) as one, wire(box.client) as other:
        answers = await asyncio.gather(
            *(by_rest(box, start) for _ in range(AT_ONCE // 2)),
            *(by_event(each, box, start) for each in (one, other) for _ in range(AT_ONCE // 4)),
        )
    assert {status for status, _ in answers} <= {200, 201}
    assert [status for status, _ in answers].count(201) <= 1
    assert (await box.client.get_process(box.session_id, start["execution_id"]).wait()).exit_code == 0
    assert await box.client.get_file(box.session_id, "runs") == "ran\n"


@pytest.mark.parametrize(
    "other",
    [
        {"command": "echo other >> runs"},
        {"timeout": 60},
        {"env": {"A": "b"}},
        {"stdin": "eA=="},
        {"path": "."},
        {"mode": "wait"},
        {"lease": 60},
        {"open_stdin": True},
        {"terminal": {}},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_body_under_the_same_id_is_a_conflict_at_both_doors(
    box: Box, other: dict[str, Any]
) -> None:
    """H42: whichever part of it differs, while it runs and afterwards."""
    start: dict[str, Any] = {
        "execution_id": str(uuid4()),
        "command": "echo ran >> runs; until [ -e go ]; do sleep 0.01; done",
    }
    assert await by_rest(box, start) == (201, None)
    changed = {**start, **other}
    process = box.client.get_process(box.session_id, start["execution_id"])
    async with wire(box.client) as one:
        for ended in (False, True):
            if ended:
                await box.client.write_file(box.session_id, "go", "")
                await process.wait()
            assert await by_rest(box, changed) == (409, "execution-conflict")
            if "stdin" not in other:  # over events it is a binary part
                assert await by_event(one, box, changed) == (409, "execution-conflict")
            assert await by_rest(box, start) == (200, None)
    assert await box.client.get_file(box.session_id, "runs") == "ran\n"


async def test_the_same_id_in_two_sessions_is_a_conflict(box: Box, shared: Place) -> None:
    """H42, H13: and the other session does not see it."""
    other = await shared.box()
    start = {"execution_id": str(uuid4()), "command": "exec sleep 60"}
    answers = await asyncio.gather(by_rest(box, start), by_rest(other, start))
    assert sorted(answers, key=str) == [(201, None), (409, "execution-conflict")]
    found = [await _known(each, start["execution_id"]) for each in (box, other)]
    assert sorted(found) == [False, True]
    for each in (box, other):
        await each.client.kill_all_processes(each.session_id)


async def _known(box: Box, process_id: str) -> bool:
    try:
        await box.client.check_status(box.session_id, process_id)
    except errors.ExecutionNotFound:
        return False
    return True


async def test_a_kill_during_the_start_ends_it_or_finds_nothing(box: Box) -> None:
    """H45: whichever comes first, nothing is left running, and what is told is true."""
    for number in range(ROUNDS):
        start = {"execution_id": str(uuid4()), "command": f"echo {number} >> runs; exec sleep 60"}
        path = f"/v1/sessions/{box.session_id}/executions"
        starting = asyncio.ensure_future(rest(box.client, "POST", path, json=start))
        for _ in range(number % 10):
            await asyncio.sleep(0)  # a little later each time
        killed = await rest(box.client, "POST", f"{path}/{start['execution_id']}/kill", json={"grace": 0})
        assert (await starting).status_code == 201
        record = await box.client.check_status(box.session_id, start["execution_id"])
        if killed.status_code == 200:
            assert killed.json()["survivors"] == 0
            assert record.verdict is not None
            assert (record.state, record.verdict.kind) == ("ended", "killed")
        else:
            assert killed.json()["code"] == "execution-not-found"
            assert record.state == "running"
            await box.client.kill_command(box.session_id, start["execution_id"], grace=0)
    assert (await box.wait("pgrep -x sleep | wc -l")).stdout == "0\n"


async def test_whoever_cancels_before_the_spawn_leaves_nothing_running(box: Box) -> None:
    """H45: however early a caller gives up."""
    for number in range(ROUNDS):
        process_id = str(uuid4())
        waiting = asyncio.ensure_future(box.wait("echo ran >> runs; exec sleep 60", process_id=process_id))
        for _ in range(number):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        try:
            assert (await box.client.check_status(box.session_id, process_id)).state == "ended"
        except errors.ExecutionNotFound:
            continue
    assert (await box.wait("pgrep -x sleep | wc -l")).stdout == "0\n"


async def test_starts_during_a_kill_all_are_killed_or_run(box: Box) -> None:
    """H45: none is lost, none is half there."""
    for _ in range(ROUNDS // 5):
        ids = [str(uuid4()) for _ in range(20)]
        starting = [asyncio.ensure_future(box.background("exec sleep 60", process_id=each)) for each in ids]
        await asyncio.sleep(0)
        await box.client.kill_all_processes(box.session_id)
        await asyncio.gather(*starting)
        for each in ids:
            record = await box.client.check_status(box.session_id, each)
            if record.state == "ended":
                assert record.verdict is not None
                assert record.verdict.kind == "killed"
        await box.client.kill_all_processes(box.session_id)
    assert (await box.wait("pgrep -x sleep | wc -l")).stdout == "0\n"


async def test_fifty_writers_of_one_file_leave_the_whole_of_one(box: Box) -> None:
    """H45: what is there is what one of them wrote, and nothing of them lies beside it."""
    contents = [bytes([65 + number]) * 300_000 for number in range(AT_ONCE)]
    reading = asyncio.ensure_future(_read_whole(box, contents))
    await asyncio.gather(*(box.client.write_file(box.session_id, "file", each) for each in contents))
    reading.cancel()
    assert await box.client.get_file(box.session_id, "file", encoding=None) in contents
    assert (await box.wait("ls -A")).stdout == "file\n"


async def _read_whole(box: Box, contents: list[bytes]) -> None:
    while True:
        try:
            assert await box.client.get_file(box.session_id, "file", encoding=None) in contents
        except errors.SandboxFileNotFound:
            continue
