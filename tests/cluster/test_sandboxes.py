"""`Sandbox` in a cluster: found again by its id, listed by its metadata, given less time, and one for each item."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kubebox import Sandbox, errors
from kubebox_cluster import names
from kubebox_protocol.keys import new_private_key
from tests.cluster.places import READY_SECONDS

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path, restricted: str, images: object) -> dict[str, Any]:
    """Where the module's sandboxes are sought, and by whom."""
    return {"where": str(kubeconfig), "namespace": restricted, "private_key": new_private_key()}


@pytest.fixture(scope="module")
def making(cluster: dict[str, Any]) -> dict[str, Any]:
    """The same for making them: on a busy machine a pod may take long."""
    return {**cluster, "timeout": READY_SECONDS}


async def test_another_program_finds_it_by_its_id_and_leaves_it_as_it_is(
    cluster: dict[str, Any], making: dict[str, Any]
) -> None:
    async with Sandbox.create(**making, metadata={"found": "again"}) as made:
        await made.files.write("mark", "here")
        async with Sandbox.connect(made.id, **cluster) as sandbox:
            assert sandbox.metadata == {"found": "again"}
            assert await sandbox.files.read("mark") == "here"
            process = await sandbox.start("exec sleep 600")
            session_id = sandbox.session_id
        assert (await made.client.check_status(session_id, process.process_id)).verdict is None
        assert await made.verdict() is None


async def test_who_made_it_may_leave_it_and_who_found_it_may_end_it(
    cluster: dict[str, Any], making: dict[str, Any], kubectl: Kubectl
) -> None:
    made = await Sandbox.create(**making)
    await made.disconnect()
    sandbox = await Sandbox.connect(made.id, **cluster)
    assert (await sandbox.run("echo on")).stdout == "on\n"
    await sandbox.kill()
    left = kubectl(
        "get", "pods,secrets", f"--namespace={cluster['namespace']}",
        f"--selector={names.selector(made.id)}", "--output=name",
    )  # fmt: skip
    assert left.split() == []
    with pytest.raises(errors.SandboxLost) as lost:
        await Sandbox.connect(made.id, **cluster)
    assert lost.value.verdict is not None
    assert lost.value.verdict.kind == "destroyed"


async def test_connecting_creates_nothing(cluster: dict[str, Any], kubectl: Kubectl) -> None:
    name = f"sandbox-{uuid4().hex[:12]}"
    with pytest.raises(errors.SandboxNotFound):
        await Sandbox.connect(name, **cluster)
    found = kubectl("get", "leases,pods", f"--namespace={cluster['namespace']}", "--output=name")
    assert name not in found


async def test_anothers_is_neither_found_nor_listed(cluster: dict[str, Any], making: dict[str, Any]) -> None:
    theirs: dict[str, Any] = {**cluster, "private_key": new_private_key()}
    async with Sandbox.create(**making) as made:
        with pytest.raises(errors.SandboxNotFound, match="another's"):
            await Sandbox.connect(made.id, **theirs)
        assert await Sandbox.list(**theirs) == []


async def test_a_list_tells_what_there_is_and_on_request_what_there_was(
    cluster: dict[str, Any], making: dict[str, Any]
) -> None:
    run = uuid4().hex
    async with Sandbox.create(**making, metadata={"run": run, "task": "a"}, lifetime=600) as made:
        (found,) = await Sandbox.list(**cluster, metadata={"run": run})
        assert (found.id, found.state, found.metadata) == (made.id, "running", {"run": run, "task": "a"})
        # The one clock is this machine's, the other its node's.
        assert abs(datetime.now(UTC) - found.created) < timedelta(seconds=READY_SECONDS)
        assert timedelta(seconds=590) < found.expires - found.created < timedelta(seconds=600 + READY_SECONDS)
        assert await Sandbox.list(**cluster, metadata={"run": run, "task": "b"}) == []
    assert await Sandbox.list(**cluster, metadata={"run": run}) == []
    (ended,) = await Sandbox.list(**cluster, metadata={"run": run}, ended=True)
    assert (ended.id, ended.state) == (made.id, "ended")
    assert ended.verdict is not None
    assert ended.verdict.kind == "destroyed"


async def test_metadata_lies_on_the_record(
    cluster: dict[str, Any], making: dict[str, Any], kubectl: Kubectl
) -> None:
    metadata = {f"{number:0128}": "\x01" * 1024 for number in range(32)}  # the largest there is
    async with Sandbox.create(**making, metadata=metadata) as sandbox:
        text = kubectl("get", "lease", sandbox.id, f"--namespace={cluster['namespace']}", "--output=json")
        assert json.loads(json.loads(text)["metadata"]["annotations"][names.METADATA]) == metadata
        (found,) = [one for one in await Sandbox.list(**cluster) if one.id == sandbox.id]
        assert found.metadata == metadata


async def test_its_end_can_be_brought_nearer_and_not_put_off(
    cluster: dict[str, Any], making: dict[str, Any]
) -> None:
    async with Sandbox.create(**making, lifetime=600) as sandbox:
        with pytest.raises(errors.NotSupported, match="never put off") as refused:
            await sandbox.set_timeout(3600)
        assert 600 - READY_SECONDS < refused.value.data["most"] <= 600
        await sandbox.set_timeout(300)
        (found,) = [one for one in await Sandbox.list(**cluster) if one.id == sandbox.id]
        assert timedelta(seconds=200) < found.expires - datetime.now(UTC) < timedelta(seconds=320)
        with pytest.raises(errors.NotSupported):
            await sandbox.set_timeout(500)
        await sandbox.set_timeout(2)
        with pytest.raises(errors.SandboxLost) as lost:
            await sandbox.run("exec sleep 600")
        assert lost.value.verdict is not None
        assert lost.value.verdict.kind == "lifetime-over"
        with pytest.raises(errors.SandboxLost):
            await sandbox.set_timeout(1)


async def test_each_item_has_a_pod_and_none_is_left(
    cluster: dict[str, Any], making: dict[str, Any], kubectl: Kubectl
) -> None:
    namespace = cluster["namespace"]
    options = {name: value for name, value in making.items() if name not in ("where", "private_key")}

    async def fn(sandbox: Sandbox, item: int) -> int:
        if item == 1 and not tried:
            tried.append(sandbox.id)
            kubectl("delete", "pod", sandbox.id, f"--namespace={namespace}", "--wait=false")
            await sandbox.run("exec sleep 600")
        return int((await sandbox.run(["expr", str(item), "*", "2"])).check().stdout)

    tried: list[str] = []
    outcomes = Sandbox.map(
        fn, [1, 2, 3], concurrency=2, where=cluster["where"], private_key=cluster["private_key"], **options
    )
    found = {one.item: (one.check(), one.attempts) async for one in outcomes}
    assert found == {1: (2, 2), 2: (4, 1), 3: (6, 1)}
    assert await Sandbox.list(**cluster) == []


async def test_a_cancelled_map_leaves_no_pod(cluster: dict[str, Any], making: dict[str, Any]) -> None:
    options = {name: value for name, value in making.items() if name not in ("where", "private_key")}
    there = asyncio.Event()

    async def fn(sandbox: Sandbox, item: int) -> None:
        there.set()
        await sandbox.run("exec sleep 600")

    async def use() -> None:
        outcomes = Sandbox.map(
            fn, range(4), concurrency=2, where=cluster["where"], private_key=cluster["private_key"], **options
        )
        async for _ in outcomes:
            raise AssertionError

    using = asyncio.ensure_future(use())
    await there.wait()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert await Sandbox.list(**cluster) == []
