"""Following objects: what a real API server does seldom, and not when a test wants it."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from kubebox_cluster import errors, patience, watch
from kubebox_cluster.api import Api
from kubebox_cluster.kinds import PODS
from kubebox_cluster.watch import Change, follow

from .scripted import Answer, Scripted, hangs_up, is_silent, refuses, says


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that no test has to wait for."""
    monkeypatch.setattr(patience, "SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 0.02)


def pod(name: str, version: int, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version)}}


def there(version: int, *items: dict[str, Any]) -> Answer:
    """A list."""
    return says({"kind": "PodList", "metadata": {"resourceVersion": str(version)}, "items": list(items)})


def event(kind: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def gone_event() -> bytes:
    return event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


def stream(*lines: bytes, then: Answer | None = None) -> Answer:
    """A watch that says this, and ends, or goes on otherwise."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if then is not None:
            await then(request)
        return response

    return answer


@asynccontextmanager
async def following(
    *answers: Answer, labels: str = "", fields: str = ""
) -> AsyncGenerator[tuple[AsyncIterator[Change], Scripted]]:
    async with (
        Scripted.serving(*answers) as server,
        Api(server.target) as api,
        aclosing(follow(api, PODS, "n", labels=labels, fields=fields)) as changes,
        asyncio.timeout(10),
    ):
        yield changes, server


async def told(changes: AsyncIterator[Change]) -> tuple[str, str, str]:
    change = await anext(changes)
    metadata = change.object["metadata"]
    return change.type, metadata["name"], metadata["resourceVersion"]


async def test_a_watch_goes_on_from_the_last_moment_it_has_heard_of() -> None:
    bookmark = event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}})
    async with following(
        there(5, pod("a", 1)),
        stream(event("MODIFIED", pod("a", 7)), bookmark),
        stream(event("DELETED", pod("a", 11)), then=is_silent),
        labels="x=y",
        fields="metadata.name=a",
    ) as (changes, server):
        assert await told(changes) == ("there", "a", "1")
        assert await told(changes) == ("changed", "a", "7")
        assert await told(changes) == ("gone", "a", "11")
    listed, first, second = server.asked
    assert "watch" not in listed.query
    assert (first.query["resourceVersion"], second.query["resourceVersion"]) == ("5", "9")
    for asked in (first, second):
        assert (asked.query["watch"], asked.query["allowWatchBookmarks"]) == ("true", "true")
        assert int(asked.query["timeoutSeconds"]) <= watch.WATCH_SECONDS
    assert {(it.query["labelSelector"], it.query["fieldSelector"]) for it in server.asked} == {
        ("x=y", "metadata.name=a")
    }


@pytest.mark.parametrize("too_old", [refuses(410), stream(gone_event())], ids=["at once", "in the middle"])
async def test_after_a_moment_too_long_ago_everything_is_listed_and_compared(too_old: Answer) -> None:
    async with following(
        there(5, pod("kept", 1), pod("gone", 2), pod("changed", 3), pod("replaced", 4, "old")),
        too_old,
        there(50, pod("kept", 1), pod("changed", 30), pod("replaced", 40, "new"), pod("new", 41)),
        stream(event("ADDED", pod("late", 51)), then=is_silent),
    ) as (changes, server):
        for name in ("kept", "gone", "changed", "replaced"):
            assert (await told(changes))[:2] == ("there", name)
        assert await told(changes) == ("gone", "gone", "2")
        assert await told(changes) == ("changed", "changed", "30")
        assert await told(changes) == ("gone", "replaced", "4")
        assert await told(changes) == ("there", "replaced", "40")
        assert await told(changes) == ("there", "new", "41")
        assert await told(changes) == ("there", "late", "51")
    assert server.asked[-1].query["resourceVersion"] == "50"


PASSING = {
    "reset": hangs_up,
    "overloaded": refuses(429, Retry_After="0"),
    "failing": refuses(500),
    "starting": refuses(503),
    "ended": stream(),
    "cut in a line": stream(event("MODIFIED", pod("a", 6))[:20], then=hangs_up),
    "failing in the middle": stream(event("ERROR", {"kind": "Status", "code": 500, "message": "etcd"})),
    "no event": stream(b"<html>\n"),
    "no object": stream(b'{"type": "ADDED"}\n'),
    "no version": stream(b'{"type": "ADDED", "object": {"metadata": {"name": "x"}}}\n'),
}


@pytest.mark.parametrize("failure", PASSING.values(), ids=PASSING)
async def test_what_passes_is_waited_for(failure: Answer) -> None:
    async with following(
        there(5, pod("a", 1)),
        failure,
        failure,
        failure,
        stream(event("MODIFIED", pod("a", 9)), then=is_silent),
    ) as (changes, server):
        assert await told(changes) == ("there", "a", "1")
        assert await told(changes) == ("changed", "a", "9")
    assert server.asked[-1].query["resourceVersion"] == "5"


async def test_a_watch_that_is_silent_beyond_its_end_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0)
    monkeypatch.setattr(watch, "SLACK_SECONDS", 0.1)
    async with following(
        there(5, pod("a", 1)),
        is_silent,
        stream(then=is_silent),
        stream(event("MODIFIED", pod("a", 9)), then=is_silent),
    ) as (changes, _):
        assert await told(changes) == ("there", "a", "1")
        assert await told(changes) == ("changed", "a", "9")


async def test_a_moment_that_never_comes_is_given_up() -> None:
    # As after an etcd that was restored: what was the newest moment is one of the future by now.
    future = refuses(504, "Too large resource version: 5, current: 1", "Timeout")
    async with following(
        there(5, pod("a", 4)),
        future,
        there(1, pod("a", 1)),
        stream(event("MODIFIED", pod("a", 2)), then=is_silent),
    ) as (changes, server):
        assert await told(changes) == ("there", "a", "4")
        assert await told(changes) == ("changed", "a", "1")
        assert await told(changes) == ("changed", "a", "2")
    assert server.asked[-1].query["resourceVersion"] == "1"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_the_first_list_fails_at_once(status: int) -> None:
    async with following(refuses(status)) as (changes, server):
        with pytest.raises(errors.ApiRefused) as caught:
            await anext(changes)
    assert caught.value.status == status
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_that_passes_is_not_believed(status: int) -> None:
    async with following(
        there(5, pod("a", 1)),
        refuses(status),
        refuses(status),
        stream(event("MODIFIED", pod("a", 9)), then=is_silent),
    ) as (changes, _):
        assert await told(changes) == ("there", "a", "1")
        assert await told(changes) == ("changed", "a", "9")


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_that_stays_is_told(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "DOUBT_SECONDS", 0.1)
    async with following(there(5, pod("a", 1)), refuses(status)) as (changes, _):
        assert await told(changes) == ("there", "a", "1")
        with pytest.raises(errors.ApiRefused) as caught:
            await anext(changes)
    assert caught.value.status == status


async def test_what_comes_in_pieces_is_put_together() -> None:
    large = pod("a", 9)
    large["metadata"]["annotations"] = {"text": "ä\\n" * 100_000}
    line = event("MODIFIED", large)
    pieces = [line[start : start + 7919] for start in range(0, len(line), 7919)]
    async with following(there(5, pod("a", 1)), stream(*pieces, then=is_silent)) as (changes, _):
        assert await told(changes) == ("there", "a", "1")
        assert (await anext(changes)).object == large


async def test_nothing_is_left_open_by_whoever_stops_listening() -> None:
    async with (
        Scripted.serving(there(5, pod("a", 1)), stream(then=is_silent)) as server,
        Api(server.target) as api,
    ):
        async with aclosing(follow(api, PODS, "n")) as changes:
            assert await told(changes) == ("there", "a", "1")
            listening = asyncio.ensure_future(anext(changes))
            await server.until_asked(2)
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening
        with pytest.raises(StopAsyncIteration):
            await anext(changes)
