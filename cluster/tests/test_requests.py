"""Requests: what is repeated and what never, how long anything may take, and what is said when there is no answer."""

import asyncio
import gzip
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from kubebox_cluster import errors, patience, requests
from kubebox_cluster.api import Api
from kubebox_cluster.kinds import NAMESPACES, NODES, PODS
from kubebox_cluster.target import Target

from .scripted import Answer, Scripted, hangs_up, is_silent, refuses, says, text

POD = {"kind": "Pod", "metadata": {"name": "x"}}

Call = Callable[[Api], Awaitable[Any]]

WRITES: dict[str, Call] = {
    "create": lambda api: api.create(PODS, {"metadata": {"name": "x"}}, "n"),
    "replace": lambda api: api.replace(PODS, "x", {"metadata": {"name": "x"}}, "n"),
    "patch": lambda api: api.patch(PODS, "x", "n", {}),
    "delete": lambda api: api.delete(PODS, "x", "n"),
}

READS: dict[str, Call] = {
    "get": lambda api: api.get(PODS, "x", "n"),
    "list": lambda api: api.list(PODS, "n"),
    "version": lambda api: api.version(),
    "logs": lambda api: api.logs("n", "x", "c"),
    "may": lambda api: api.may("get", PODS, "n"),
}


@asynccontextmanager
async def asking(*answers: Answer) -> AsyncGenerator[tuple[Api, Scripted]]:
    async with Scripted.serving(*answers) as server, Api(server.target) as api, asyncio.timeout(20):
        yield api, server


@pytest.mark.parametrize(
    "failure", [hangs_up, refuses(503), refuses(500), refuses(429, Retry_After="0"), refuses(504)]
)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_questions_are_asked_again(read: Call, failure: Answer) -> None:
    async with asking(failure, failure, says(POD)) as (api, server):
        await read(api)
    assert len(server.asked) == 3


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_changes_are_made_again_where_nothing_was_done(write: Call) -> None:
    async with asking(refuses(429, Retry_After="0"), says(POD)) as (api, server):
        await write(api)
    assert len(server.asked) == 2


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_changes_are_not_made_again_where_nobody_knows(write: Call) -> None:
    async with asking(says(POD), hangs_up, says(POD)) as (api, server):
        await api.version()
        with pytest.raises(errors.ApiUnreachable) as caught:
            await write(api)
    assert (caught.value.cause, caught.value.sent) == ("lost", True)
    assert len(server.asked) == 2


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_failing_server_is_not_asked_for_changes_twice(write: Call) -> None:
    async with asking(refuses(500), says(POD)) as (api, server):
        with pytest.raises(errors.ServerFailing):
            await write(api)
    assert len(server.asked) == 1


async def test_a_change_waits_for_a_server_that_is_just_starting() -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
        port = place.getsockname()[1]
        async with Api(Target(server=f"http://127.0.0.1:{port}")) as api, asyncio.TaskGroup() as group:
            making = group.create_task(api.create(NAMESPACES, {"metadata": {"name": "n"}}))
            await asyncio.sleep(0.2)  # some tries; nothing tells of them
            assert not making.done()
            async with Scripted.serving(says({"kind": "Namespace"}), held=place) as server:
                await making
    assert len(server.asked) == 1


async def test_nobody_waits_long_for_a_server_that_was_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.2)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))  # bound, and not listening: connections are refused
        port = place.getsockname()[1]
        async with Api(Target(server=f"http://127.0.0.1:{port}")) as api, asyncio.timeout(5):
            with pytest.raises(errors.ApiUnreachable, match="nothing listens there") as caught:
                await api.version()
    assert (caught.value.cause, caught.value.sent) == ("refused", False)


async def test_a_name_that_nobody_has_is_told_at_once() -> None:
    async with Api(Target(server="https://kubebox.invalid")) as api:
        with pytest.raises(errors.ApiUnreachable, match=r"no host named kubebox\.invalid") as caught:
            await api.version()
    assert (caught.value.cause, caught.value.sent) == ("unresolved", False)


async def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "READ_SECONDS", 0.3)  # several times within patience.FIRST_SECONDS
    monkeypatch.setattr(requests, "WRITE_SECONDS", 1.0)
    async with asking(is_silent) as (api, server):
        with pytest.raises(errors.ApiUnreachable) as caught:
            await api.version()
        assert caught.value.cause == "timeout"
        await server.until_asked(2)
        with pytest.raises(errors.ApiUnreachable) as caught:
            await api.create(NAMESPACES, {})
        assert (caught.value.cause, caught.value.sent) == ("timeout", True)
        while not (changes := [asked for asked in server.asked if asked.method == "POST"]):
            await server.until_asked(len(server.asked) + 1)
        assert len(changes) == 1


async def test_an_answer_that_never_ends_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_ANSWER_BYTES", 1000)
    async with asking(text("x" * 2000)) as (api, _):
        with pytest.raises(errors.ApiUnreachable, match="longer than 1000 bytes"):
            await api.version()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (text("<html>Please log in</html>"), "it answers no JSON"),
        (says([]), "it answers no JSON"),
        (text("", 302, Location="https://login.example.com/?secret=hush"), "sends one to login.example.com"),
        (text("", 301), "sends one to elsewhere"),
    ],
)
async def test_something_else_that_answers_is_told(answer: Answer, said: str) -> None:
    async with asking(answer) as (api, server):
        with pytest.raises(errors.ApiUnreachable, match=said) as caught:
            await api.version()
    assert caught.value.cause == "answer"
    assert "hush" not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "../secrets/x", "a/b", "%2e%2e", "a%2Fb"])
@pytest.mark.parametrize("call", [*WRITES, "get", "logs", "namespace"])
async def test_no_name_leads_elsewhere(name: str, call: str) -> None:
    calls: dict[str, Call] = {
        "create": lambda api: api.create(PODS, {}, name),
        "replace": lambda api: api.replace(PODS, name, {}, "n"),
        "patch": lambda api: api.patch(PODS, name, "n", {}),
        "delete": lambda api: api.delete(PODS, name, "n"),
        "get": lambda api: api.get(PODS, name, "n"),
        "logs": lambda api: api.logs("n", name, "c"),
        "namespace": lambda api: api.get(PODS, "x", name),
    }
    async with asking(says(POD)) as (api, server):
        with pytest.raises(errors.NameInvalid):
            await calls[call](api)
    assert server.asked == []


async def test_names_are_quoted_and_ways_kept() -> None:
    async with asking(says(POD)) as (_, server):
        api = Api(replace(server.target, server=f"{server.target.server}/k8s/clusters/c-1"))
        await api.get(PODS, "a b?c#d", "n")
        await api.list(NODES, labels="a in (b,c),d!=e&f", fields="x=y")
        await api.close()
    assert server.asked[0].path == "/k8s/clusters/c-1/api/v1/namespaces/n/pods/a%20b%3Fc%23d"
    assert server.asked[1].path == "/k8s/clusters/c-1/api/v1/nodes"
    assert server.asked[1].query["labelSelector"] == "a in (b,c),d!=e&f"
    assert server.asked[1].query["fieldSelector"] == "x=y"


async def test_objects_without_a_namespace_and_with_one_are_not_mixed_up() -> None:
    async with asking(says(POD)) as (api, _):
        with pytest.raises(errors.NameInvalid):
            await api.get(PODS, "x")
        with pytest.raises(errors.NameInvalid):
            await api.get(NODES, "x", "n")


def page(*names: str, following: str = "") -> Answer:
    items = [{"metadata": {"name": name}} for name in names]
    return says(
        {"kind": "PodList", "metadata": {"resourceVersion": "7", "continue": following}, "items": items}
    )


async def test_pages_that_are_forgotten_are_read_from_the_first() -> None:
    answers = page("a", following="more"), refuses(410), page("a", following="more"), page("b")
    async with asking(*answers) as (api, server):
        listing = await api.list(PODS, "n")
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "7"
    assert [asked.query.get("continue") for asked in server.asked] == [None, "more", None, "more"]


async def test_a_list_whose_pages_are_always_forgotten_is_asked_for_whole() -> None:
    def answers() -> list[Answer]:
        return [page("a", following="more"), refuses(410)]

    async with asking(*answers(), *answers(), *answers(), page("a", "b")) as (api, server):
        assert len((await api.list(PODS, "n")).items) == 2
    assert "limit" not in server.asked[-1].query


async def test_compressed_answers_are_read() -> None:
    async def compressed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b'{"major": "1"}'), headers={"Content-Encoding": "gzip"})

    async with asking(compressed) as (api, _):
        assert await api.version() == {"major": "1"}


async def test_a_log_is_text_whatever_was_printed() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"a\xff\n")

    async with asking(answer) as (api, server):
        assert await api.logs("n", "x", "c", tail_lines=0, previous=True) == "a\ufffd\n"
    assert server.asked[0].query == {
        "container": "c",
        "tailLines": "0",
        "previous": "true",
        "limitBytes": str(16 * 1024 * 1024),
    }


async def test_many_requests_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_AT_ONCE", 3)
    at_once, most = 0, 0
    full = asyncio.Event()

    async def count(_: web.Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 3:
            full.set()
        await full.wait()
        at_once -= 1
        return web.json_response(POD)

    async with asking(count) as (api, server):
        await asyncio.gather(*(api.get(PODS, "x", "n") for _ in range(12)))
    assert (most, len(server.asked)) == (3, 12)


async def test_what_deletes_says_what_it_means() -> None:
    async with asking(says(POD)) as (api, server):
        await api.delete(
            PODS, "x", "n", uid="u", resource_version="7", grace_seconds=0, propagation="Foreground"
        )
        await api.delete(PODS, "x", "n")
    assert server.asked[0].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
    }
    assert server.asked[1].body == {"apiVersion": "v1", "kind": "DeleteOptions"}


def test_an_api_belongs_to_one_event_loop() -> None:
    async def ask(api: Api) -> None:
        await api.version()

    async def begin() -> Api:
        async with Scripted.serving(says(POD)) as server:
            api = Api(server.target)
            await ask(api)
            return api

    with asyncio.Runner() as first, asyncio.Runner() as second:
        api = first.run(begin())
        with pytest.raises(RuntimeError, match="another event loop"):
            second.run(ask(api))
        first.run(api.close())


async def test_a_closed_api_says_so() -> None:
    async with asking(says(POD)) as (api, server):
        await api.close()
        with pytest.raises(RuntimeError, match="was closed"):
            await api.version()
    assert server.asked == []
