"""Following objects, through everything that can happen to a line."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from kubebox_cluster import errors, kinds, watch
from kubebox_cluster.api import Api
from kubebox_cluster.requests import Manifest
from kubebox_cluster.target import Target, User
from kubebox_cluster.watch import Change, follow
from tests.cluster.adapter.pods import PATIENCE, before, limited
from tests.faults.proxy import Cut


async def collect(api: Api, namespace: str, changes: asyncio.Queue[Change]) -> None:
    async for change in follow(api, kinds.CONFIG_MAPS, namespace, labels="watched=true"):
        changes.put_nowait(change)


def watched(name: str, **data: str) -> Manifest:
    return {"metadata": {"name": name, "labels": {"watched": "true"}}, "data": data}


async def told(changes: asyncio.Queue[Change]) -> tuple[str, str]:
    async with asyncio.timeout(PATIENCE):
        change = await changes.get()
    assert change.object["kind"] == "ConfigMap"
    return change.type, change.object["metadata"]["name"]


async def test_changes_are_told_as_they_come(api: Api, room: str) -> None:
    await api.create(kinds.CONFIG_MAPS, watched("a"), room)
    changes: asyncio.Queue[Change] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(collect(api, room, changes))
        assert await told(changes) == ("there", "a")
        await api.create(kinds.CONFIG_MAPS, watched("b"), room)
        assert await told(changes) == ("there", "b")
        await api.patch(kinds.CONFIG_MAPS, "a", room, {"data": {"x": "y"}})
        assert await told(changes) == ("changed", "a")
        await api.delete(kinds.CONFIG_MAPS, "a", room)
        assert await told(changes) == ("gone", "a")
        # One that no longer matches is gone for whoever follows.
        await api.patch(kinds.CONFIG_MAPS, "b", room, {"metadata": {"labels": {"watched": None}}})
        assert await told(changes) == ("gone", "b")
        task.cancel()


async def test_what_went_before_anybody_followed_it_is_told_to_who_knew_it(api: Api, room: str) -> None:
    known = [await api.create(kinds.CONFIG_MAPS, watched(name), room) for name in ("a", "b")]
    await api.delete(kinds.CONFIG_MAPS, "a", room)
    async with contextlib.aclosing(
        follow(api, kinds.CONFIG_MAPS, room, labels="watched=true", known=known)
    ) as changes:
        async with asyncio.timeout(PATIENCE):
            change = await anext(changes)
    assert (change.type, change.object["metadata"]["name"]) == ("gone", "a")


@pytest.mark.parametrize("how", Cut)
async def test_what_happens_while_a_watch_is_cut_is_told_afterwards(
    api: Api, target: Target, room: str, how: Cut
) -> None:
    for name in ("a", "b"):
        await api.create(kinds.CONFIG_MAPS, watched(name), room)
    changes: asyncio.Queue[Change] = asyncio.Queue()
    async with before(target) as (proxy, through), Api(through) as other, asyncio.TaskGroup() as group:
        task = group.create_task(collect(other, room, changes))
        assert {await told(changes), await told(changes)} == {("there", "a"), ("there", "b")}
        await proxy.shut(how)
        await api.delete(kinds.CONFIG_MAPS, "a", room)
        await api.create(kinds.CONFIG_MAPS, watched("c"), room)
        await api.patch(kinds.CONFIG_MAPS, "b", room, {"data": {"x": "y"}})
        proxy.open()
        expected = {("gone", "a"), ("there", "c"), ("changed", "b")}
        assert {await told(changes) for _ in expected} == expected
        task.cancel()


async def test_a_watch_that_falls_silent_is_made_anew(
    api: Api, target: Target, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WATCH_SECONDS", 1)
    monkeypatch.setattr(watch, "SLACK_SECONDS", 1)
    await api.create(kinds.CONFIG_MAPS, watched("a"), room)
    changes: asyncio.Queue[Change] = asyncio.Queue()
    async with before(target) as (proxy, through), Api(through) as other, asyncio.TaskGroup() as group:
        task = group.create_task(collect(other, room, changes))
        assert await told(changes) == ("there", "a")
        proxy.stall()
        await api.delete(kinds.CONFIG_MAPS, "a", room)
        assert await told(changes) == ("gone", "a")
        task.cancel()


async def test_a_right_that_is_missing_ends_a_watch(api: Api, target: Target, namespace: str) -> None:
    token = await limited(api, namespace, "blind")
    async with Api(replace(target, user=User(token=token))) as other:
        with pytest.raises(errors.Forbidden):
            await anext(follow(other, kinds.PODS, namespace))
