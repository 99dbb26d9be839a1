"""Sandboxes that are there: connected to, listed, told apart by metadata, and given more time or less."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from kubebox import Kubebox, Sandbox, errors
from kubebox_protocol.keys import new_private_key

from .conftest import PATIENCE, Server


async def test_leaving_what_was_connected_to_leaves_what_runs_there(server: Server) -> None:
    async with Sandbox.create(server.url, private_key=server.private_key) as made:
        async with Sandbox.connect(server.url, private_key=server.private_key) as sandbox:
            assert sandbox.id == made.id
            process = await sandbox.start("exec sleep 60")
            session_id = sandbox.session_id
        assert "disconnected" in repr(sandbox)
        with pytest.raises(errors.NotConnected, match="connect"):
            await sandbox.run("true")
        status = await made.client.check_status(session_id, process.process_id)
        assert status.verdict is None
        await made.client.kill_all_processes(session_id)


async def test_killing_what_was_connected_to_by_url_ends_its_own_commands(server: Server) -> None:
    async with Sandbox.create(server.url, private_key=server.private_key) as made:
        other = await made.start("exec sleep 60")
        sandbox = await Sandbox.connect(server.url, private_key=server.private_key)
        process = await sandbox.start("exec sleep 60")
        await sandbox.kill()
        ended = await made.client.check_status(sandbox.session_id, process.process_id)
        assert ended.verdict is not None
        assert ended.verdict.kind == "killed"
        assert (await made.client.check_status(made.session_id, other.process_id)).verdict is None
        await sandbox.disconnect()  # does nothing any more


async def test_what_was_made_by_url_can_be_left_as_it_is(server: Server) -> None:
    sandbox = await Sandbox.create(server.url, private_key=server.private_key)
    process = await sandbox.start("exec sleep 60")
    await sandbox.disconnect()
    await sandbox.kill()  # does nothing any more
    async with Sandbox.connect(server.url, private_key=server.private_key) as again:
        status = await again.client.check_status(sandbox.session_id, process.process_id)
        assert status.verdict is None
        await again.client.kill_all_processes(sandbox.session_id)


async def test_by_url_there_is_neither_metadata_nor_time_to_ask_for(server: Server) -> None:
    async with Sandbox.connect(server.url, private_key=server.private_key) as sandbox:
        with pytest.raises(errors.NotSupported, match="URL"):
            _ = sandbox.metadata
        with pytest.raises(errors.NotSupported, match="URL"):
            await sandbox.set_timeout(60)
    with pytest.raises(errors.NotSupported, match="metadata"):
        await Sandbox.create(server.url, private_key=server.private_key, metadata={"a": "b"})


async def test_local_sandboxes_belong_to_their_program() -> None:
    with pytest.raises(errors.NotSupported, match="belongs to the program"):
        await Sandbox.connect("sandbox-1", where="local")
    async with Kubebox("local", private_key=new_private_key()) as kubebox:
        with pytest.raises(errors.NotSupported):
            await kubebox.find_pod("sandbox-1")
    async with Sandbox.create("local") as sandbox:
        with pytest.raises(errors.NotSupported, match="kill"):
            await sandbox.disconnect()
        async with Sandbox.connect(
            sandbox.client.url
        ) as same:  # its address leads to it, while its program runs
            assert same.id == sandbox.id
        assert (await sandbox.run("echo on")).stdout == "on\n"


@pytest.mark.parametrize("given", [{"where": "local"}, {"namespace": "a"}])
async def test_a_url_says_where_by_itself(given: dict[str, str]) -> None:
    with pytest.raises(errors.InvalidArgument, match="leave"):
        await Sandbox.connect("http://127.0.0.1:1", **given)  # pyright: ignore[reportArgumentType] - all are texts


async def test_an_address_has_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBOX_URL", "http://127.0.0.1:1")
    with pytest.raises(errors.NotSupported, match="one sandbox"):
        await Sandbox.list()
    with pytest.raises(errors.NotSupported, match="one sandbox"):
        await Sandbox.connect("sandbox-1")


async def test_a_list_tells_what_there_is_of_this_program() -> None:
    began = datetime.now(UTC)
    async with (
        Sandbox.create("local", metadata={"task": "a", "run": "1"}, lifetime=600) as first,
        Sandbox.create("local", metadata={"task": "b", "run": "1"}) as second,
    ):
        assert first.metadata == {"task": "a", "run": "1"}
        listed = await Sandbox.list("local", metadata={"run": "1"})
        assert [one.id for one in listed] == [first.id, second.id]
        (found,) = await Sandbox.list("local", metadata={"task": "a"})
        assert (found.id, found.state, found.metadata, found.verdict) == (
            first.id,
            "running",
            first.metadata,
            None,
        )
        assert began <= found.created <= datetime.now(UTC)
        assert found.expires - found.created == timedelta(seconds=600)
        assert await Sandbox.list("local", metadata={"task": "c"}) == []
    assert await Sandbox.list("local", metadata={"run": "1"}, ended=True) == []


LIFETIME_SECONDS = 8
"""It counts from the server's start, and has to last until a busy machine has put it off."""


async def test_a_local_sandboxs_end_can_be_brought_nearer_and_put_off() -> None:
    async with Sandbox.create("local", lifetime=LIFETIME_SECONDS) as sandbox:
        await sandbox.set_timeout(3600)
        (found,) = [one for one in await Sandbox.list("local") if one.id == sandbox.id]
        assert found.expires - datetime.now(UTC) > timedelta(seconds=3000)
        assert (await sandbox.run(f"sleep {LIFETIME_SECONDS}; echo on")).stdout == "on\n"
        await sandbox.set_timeout(0.2)
        with pytest.raises(errors.SandboxLost) as lost, anyio.fail_after(PATIENCE):
            await sandbox.run("exec sleep 60")
        assert lost.value.verdict is not None
        assert lost.value.verdict.kind == "lifetime-over"
        with pytest.raises(errors.SandboxLost) as lost:
            await sandbox.set_timeout(60)
        assert lost.value.verdict is not None


@pytest.mark.parametrize("seconds", [0, -1, "60", 1e9])
async def test_a_time_that_is_none_is_refused(server: Server, seconds: Any) -> None:
    async with Sandbox.connect(server.url, private_key=server.private_key) as sandbox:
        with pytest.raises(errors.InvalidArgument, match="seconds"):
            await sandbox.set_timeout(seconds)


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): "" for number in range(33)},
        {"": "x"},
        {"x" * 129: ""},
        {"x": "ä" * 513},
        {"x": 7},
        {"x": "\ud800"},
    ],
    ids=["too many", "no name", "a long name", "a long value", "a number", "no text"],
)
async def test_metadata_has_bounds(metadata: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidArgument, match="metadata"):
        await Sandbox.create("local", metadata=metadata)
    with pytest.raises(errors.InvalidArgument, match="metadata"):
        await Sandbox.list("local", metadata=metadata)


async def test_the_largest_metadata_is_taken() -> None:
    metadata = {f"{number:0128}": "\x01" * 1024 for number in range(32)}
    async with Sandbox.create("local", metadata=metadata) as sandbox:
        assert sandbox.metadata == metadata
        assert [one.id for one in await Sandbox.list("local", metadata=metadata)] == [sandbox.id]
