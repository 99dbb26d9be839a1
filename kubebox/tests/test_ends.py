"""Ends: whoever gives up waiting, and whatever fails, no sandbox that outlives its program is left behind unsaid."""

import asyncio
import contextlib
import os
import threading

import anyio
import pytest

from kubebox import Kubebox, KubeboxPod, Sandbox, errors, manager
from kubebox.inspect.leftovers import Leftovers
from kubebox.mcp.place import Place
from kubebox.mcp.sandboxes import Sandboxes

from .conftest import PATIENCE, Server
from .outliving import Outliving


@pytest.fixture
def place(server: Server, monkeypatch: pytest.MonkeyPatch) -> Outliving:
    place = Outliving(server.url.removeprefix("http://"))

    def choose_backend(*_: object) -> Outliving:
        return place

    monkeypatch.setattr(manager, "choose_backend", choose_backend)
    monkeypatch.setenv("KUBEBOX_PRIVATE_KEY", server.private_key)
    return place


async def comes(event: threading.Event) -> bool:
    """Whether something happens on Kubebox's own thread."""
    return await asyncio.to_thread(event.wait, PATIENCE)


async def test_leaving_in_a_cancelled_scope_ends_the_sandbox(place: Outliving) -> None:
    place.may_end.clear()
    with anyio.fail_after(PATIENCE), anyio.CancelScope() as scope:
        async with Sandbox.create("local"):
            scope.cancel()
            await anyio.sleep_forever()
    place.may_end.set()
    assert await comes(place.empty)
    assert await comes(place.closed)


async def test_a_cancelled_kill_goes_on_and_another_waits_for_it(place: Outliving) -> None:
    place.may_end.clear()
    sandbox = await Sandbox.create("local")
    killing = asyncio.ensure_future(sandbox.kill())
    assert await comes(place.begun)
    killing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killing
    again = asyncio.ensure_future(sandbox.kill())
    done, _ = await asyncio.wait({again}, timeout=0.2)  # Nothing shall happen.
    assert not done
    place.may_end.set()
    with anyio.fail_after(PATIENCE):
        await again
    assert place.alive == set()
    assert await comes(place.closed)


async def test_a_kill_that_failed_can_be_tried_again(place: Outliving) -> None:
    sandbox = await Sandbox.create("local")
    place.failures = 1
    with pytest.raises(errors.ClusterUnreachable):
        await sandbox.kill()
    assert len(place.alive) == 1
    await sandbox.kill()
    assert place.alive == set()
    assert place.closed.is_set()
    await sandbox.kill()


async def test_one_end_that_fails_leaves_the_others_theirs(place: Outliving) -> None:
    place.may_end.clear()
    kubebox = Kubebox("local")
    for name in ("a", "b", "c"):
        await kubebox.create_pod(name).wait_until_ready(PATIENCE)
    place.failures = 1
    destroying = asyncio.ensure_future(asyncio.to_thread(kubebox.destroy_all))
    assert await comes(place.begun)
    await asyncio.wait({destroying}, timeout=0.2)  # It shall not give them up meanwhile.
    place.may_end.set()
    with pytest.raises(errors.ClusterUnreachable):
        await destroying
    assert len(place.alive) == 1


async def test_a_clean_up_that_fails_does_not_replace_a_cancellation(place: Outliving) -> None:
    place.never_ready, place.failures = True, 1000
    creating = asyncio.ensure_future(Sandbox.create("local").__aenter__())
    assert await comes(place.occupied)
    creating.cancel()
    with anyio.fail_after(PATIENCE), pytest.raises(asyncio.CancelledError):
        await creating


async def test_a_clean_up_that_fails_does_not_replace_what_is_told_of_time(place: Outliving) -> None:
    place.never_ready, place.failures = True, 1000
    with anyio.fail_after(PATIENCE), pytest.raises(errors.PodNotReady):
        await Sandbox.create("local", timeout=0.1)


async def test_a_map_that_is_cancelled_begins_nothing_more(place: Outliving) -> None:
    place.failures = 1000
    there = asyncio.Event()

    async def fn(sandbox: Sandbox, item: int) -> None:
        there.set()
        try:
            await anyio.sleep_forever()
        finally:
            raise errors.ConnectionLost("its own clean-up failed")

    async def use() -> None:
        async for _ in Sandbox.map(fn, range(3), concurrency=1, where="local"):
            raise AssertionError

    with anyio.fail_after(PATIENCE):
        using = asyncio.ensure_future(use())
        await there.wait()
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
    assert place.made == 1


async def test_mcp_and_inspect_try_again_what_they_could_not_end(place: Outliving) -> None:
    sandboxes, leftovers = Sandboxes(Place(where="local")), Leftovers()
    held = await sandboxes.create(image=None, env={}, lifetime=None)
    other = await Sandbox.create("local")
    leftovers.add(other)
    place.failures = 2
    with pytest.raises(errors.ClusterUnreachable):
        await sandboxes.kill(held.id)
    with pytest.raises(errors.ClusterUnreachable):
        await leftovers.end(other)
    assert len(place.alive) == 2
    await sandboxes.kill(held.id)
    assert sandboxes.all() == []
    await leftovers.end_all()
    assert place.alive == set()


async def test_one_leftover_that_cannot_be_ended_leaves_the_others_their_ends(place: Outliving) -> None:
    leftovers = Leftovers()
    for _ in range(2):
        leftovers.add(await Sandbox.create("local"))
    place.failures = 1
    with pytest.raises(errors.ClusterUnreachable):
        await leftovers.end_all()
    assert len(place.alive) == 1
    await leftovers.end_all()
    assert place.alive == set()


def start_and_forget() -> KubeboxPod:
    return Kubebox("local").create_pod("x")


async def test_a_kubebox_that_is_forgotten_while_its_pod_starts_holds_nobody_up() -> None:
    """A real one: the last to know of it is the coroutine that starts the pod, on Kubebox's own thread."""
    before = set(threading.enumerate())
    pod = start_and_forget()
    (own,) = set(threading.enumerate()) - before
    with contextlib.suppress(errors.PodFailed):  # It may have ended with its Kubebox by then.
        await pod.wait_until_ready(PATIENCE)
    await asyncio.to_thread(own.join, PATIENCE)
    assert not own.is_alive()


def test_a_forked_process_is_told_that_its_kubebox_stayed_behind(place: Outliving) -> None:
    kubebox = Kubebox("local")
    kubebox.create_pod("a")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kubebox.create_pod("b")
        except errors.WrongEventLoop:
            code = 0
        finally:
            os._exit(code)  # Nothing of pytest's shall happen twice.
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    kubebox.destroy_all()
