"""One step beside another: nothing of it is left behind, and nothing that it raises is lost."""

import asyncio

import pytest

from kubebox_protocol.meanwhile import Meanwhile


async def fail() -> int:
    raise OSError("no room")


async def test_what_is_begun_goes_on_until_it_is_waited_for() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        begun.set()
        await go.wait()
        return 7

    async with Meanwhile[int]() as meanwhile:
        assert await meanwhile.settled() is None
        meanwhile.begin(work())
        await begun.wait()
        go.set()
        assert await meanwhile.settled() == 7
        assert await meanwhile.settled() is None


async def test_it_raises_where_it_is_waited_for() -> None:
    async with Meanwhile[int]() as meanwhile:
        meanwhile.begin(fail())
        with pytest.raises(OSError, match="no room"):
            await meanwhile.settled()


@pytest.mark.parametrize("ends", [True, False])
async def test_who_leaves_it_ends_it_and_is_told_of_nothing_else(ends: bool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        begun.set()
        try:
            return await (fail() if ends else asyncio.Event().wait())
        finally:
            ended.set()

    async def leave() -> None:
        async with Meanwhile[int]() as meanwhile:
            meanwhile.begin(work())
            await begun.wait()
            raise KeyError("the body's own")

    with pytest.raises(KeyError):
        await leave()
    assert ended.is_set()
