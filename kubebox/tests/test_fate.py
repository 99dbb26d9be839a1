"""What became of a sandbox of one's own: its end is told as such, never as a lost connection."""

import asyncio
import gc
import logging

import anyio
import pytest

from kubebox import Kubebox, Sandbox, errors
from kubebox_protocol.keys import new_private_key

from .conftest import PATIENCE


async def test_an_ended_sandbox_is_lost_with_its_verdict() -> None:
    with anyio.fail_after(PATIENCE):
        async with Sandbox.create("local", lifetime=2) as sandbox:
            for call in (sandbox.run("exec sleep 60"), sandbox.run("true"), sandbox.files.exists("x")):
                with pytest.raises(errors.SandboxLost) as caught:
                    await call
                assert caught.value.verdict is not None
                assert caught.value.verdict.kind == "lifetime-over"
            verdict = await sandbox.verdict()
            assert verdict is not None
            assert verdict.kind == "lifetime-over"
            assert isinstance(await sandbox.logs(), str)


async def test_an_end_is_told_at_once_to_who_would_wait_for_the_connection() -> None:
    async with Sandbox.create("local") as sandbox:
        stream = await sandbox.stream("echo on; exec sleep 60")
        pieces = aiter(stream)
        await anext(pieces)
        waiting = asyncio.ensure_future(sandbox.run("exec sleep 60"))
        owned = sandbox._owned  # pyright: ignore[reportPrivateUsage] - to end it behind its back
        assert owned is not None
        await owned.pod.destroy()
        with anyio.fail_after(PATIENCE):  # a third of the time that a lost connection would be waited for
            for end in (anext(pieces), waiting):
                with pytest.raises(errors.SandboxLost) as caught:
                    await end
                assert caught.value.verdict is not None
                assert caught.value.verdict.kind == "destroyed"
                assert "process_id" in caught.value.data


async def test_a_live_sandbox_has_no_verdict() -> None:
    async with Sandbox.create("local") as sandbox:
        assert await sandbox.verdict() is None


async def test_a_sandbox_that_is_not_there_in_time_is_given_up() -> None:
    with pytest.raises(errors.PodNotReady), anyio.fail_after(PATIENCE):
        await Sandbox.create("local", timeout=0.01)


async def test_a_pod_in_conflict_cannot_be_destroyed() -> None:
    async with Kubebox("local", private_key=new_private_key()) as kubebox:
        first = kubebox.create_pod("a", username="somebody")
        other = kubebox.create_pod("a")
        with pytest.raises(errors.PodConflict):
            await other.destroy()
        await first.wait_until_ready(PATIENCE)
        await first.destroy()


async def test_a_failed_start_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        with pytest.raises(errors.NotSupported):
            await Sandbox.create("local", image="python:3.13")
        gc.collect()
        await asyncio.sleep(0)
    assert caplog.records == []
