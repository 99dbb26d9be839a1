"""One step beside another: it is seen to its end, and nothing that it raises is lost."""

import asyncio

import pytest

from kubebox_protocol.meanwhile import Meanwhile


class Step:
    """Something that lasts until it may end."""

    def __init__(self, fails: bool = False) -> None:
        self.may_end = asyncio.Event()
        self.ended = False
        self._fails = fails

    async def work(self) -> int:
        await self.may_end.wait()
        self.ended = True
        if self._fails:
            raise OSError("no room")
        return 7


async def test_what_is_begun_goes_on_until_it_is_waited_for() -> None:
    step, meanwhile = Step(), Meanwhile[int]()
    assert await meanwhile.settled() is None
    meanwhile.begin(step.work())
    step.may_end.set()
    assert [await meanwhile.settled(), await meanwhile.settled()] == [7, None]


async def test_it_raises_where_it_is_waited_for() -> None:
    step, meanwhile = Step(fails=True), Meanwhile[int]()
    meanwhile.begin(step.work())
    step.may_end.set()
    with pytest.raises(OSError, match="no room"):
        await meanwhile.settled()
    assert await meanwhile.settled() is None


@pytest.mark.parametrize("fails", [True, False])
async def test_who_gives_up_does_not_break_it_off(fails: bool) -> None:
    step, meanwhile = Step(fails), Meanwhile[int]()
    meanwhile.begin(step.work())
    waiting = asyncio.ensure_future(meanwhile.settled())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    ending = asyncio.ensure_future(meanwhile.ended())
    await asyncio.sleep(0)
    assert not ending.done()
    step.may_end.set()
    await ending
    assert step.ended
