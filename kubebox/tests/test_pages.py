"""Listings: all of a session's commands, however many pages they take."""

import asyncio
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import pytest

from kubebox import errors
from kubebox._pages import list_executions
from kubebox._transport.base import Transport
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode, Execution, ExecutionList, ListRequest
from kubebox_protocol.limits import MAX_PAGE

from .conftest import PATIENCE, Server


async def test_more_commands_than_a_page_has_are_listed(tmp_path: Path) -> None:
    count = MAX_PAGE + 50
    server = Server(tmp_path, settings={"KUBEBOX_KEPT_EXECUTIONS": str(2 * MAX_PAGE)})
    server.start()
    try:
        with anyio.fail_after(4 * PATIENCE):
            async with SandboxClient(server.private_key, server.url) as client:
                await client.initialize_session("main", "main")
                run = [client.run_command("main", ["true"], CommandMode.WAIT) for _ in range(count)]
                results = await asyncio.gather(*run)
                listed = await client.list_commands("main")
    finally:
        server.stop()
    assert len(listed) == count
    assert {str(each.execution_id) for each in listed} == {each.process_id for each in results}
    assert [each.started_at for each in listed] == sorted(each.started_at for each in listed)


class Lists:
    """A server whose pages are as they are told to be."""

    def __init__(self, *pages: list[UUID] | errors.KubeboxError, last: str | None = None) -> None:
        self.pages = list(pages)
        self.last = last
        self.asked: list[UUID | None] = []

    async def ask(
        self, event: str, request: ListRequest, answer: type[ExecutionList], **_: Any
    ) -> ExecutionList:
        self.asked.append(request.after)
        page = self.pages.pop(0)
        if isinstance(page, errors.KubeboxError):
            raise page
        following = str(page[-1]) if self.pages else self.last
        return ExecutionList(executions=[execution(each) for each in page], next=following)

    async def all(self) -> list[UUID]:
        return [each.execution_id for each in await list_executions(cast("Transport", self), "s")]


def execution(execution_id: UUID) -> Execution:
    return Execution(
        execution_id=execution_id,
        session_id="s",
        mode=CommandMode.WAIT,
        state="ended",
        started_at=0,
        duration=0,
    )


ONE, TWO, THREE = uuid4(), uuid4(), uuid4()


async def test_each_page_is_asked_for_after_the_last_of_the_one_before() -> None:
    lists = Lists([ONE, TWO], [THREE])
    assert await lists.all() == [ONE, TWO, THREE]
    assert lists.asked == [None, TWO]


async def test_a_listing_begins_anew_where_its_place_was_swept() -> None:
    lists = Lists([ONE], errors.ExecutionNotFound("swept"), [TWO], [THREE])
    assert await lists.all() == [TWO, THREE]


async def test_a_listing_that_begins_anew_for_ever_comes_to_an_end() -> None:
    pages = [[ONE], errors.ExecutionNotFound("swept")] * 10
    with pytest.raises(errors.ExecutionNotFound):
        await Lists(*pages).all()


@pytest.mark.parametrize("page", [[], [ONE]])
async def test_pages_that_make_no_sense_are_told(page: list[UUID]) -> None:
    with pytest.raises(errors.AnswerInvalid):
        await Lists(page, last="nonsense").all()
