"""What a supervisor says, and how much of that came before it was killed."""

import asyncio
import os
import sys

import anyio
import pytest

from kubebox.errors import PodFailed
from kubebox.local import config, living
from kubebox.local.body import LocalBody
from kubebox.local.config import Config

from .boxes import PATIENCE

pytestmark = pytest.mark.anyio

CUT = """import sys; sys.stdin.readline(); print('{"event": "ended", "ki', end="")"""
"""A supervisor that is killed while it tells of its end."""


async def supervisor(program: str) -> LocalBody:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told = Config(
        sandbox_id="cut",
        sandbox_uid="cut",
        public_keys="",
        server=[],
        init="",
        search="",
        folder="",
        hidden=[],
        owner=os.getpid(),
    )
    return LocalBody(process, told, {})


async def test_a_line_that_was_cut_is_the_end_of_its_sandbox_all_the_same() -> None:
    with anyio.fail_after(PATIENCE):
        body = await supervisor(CUT)
        await body.ended()
        verdict = body.verdict()
        assert verdict is not None
        assert verdict.kind == "unknown"
        with pytest.raises(PodFailed):
            await body.ready()
    assert [one for one in living.living() if one.id == "cut"] == []


def test_a_line_is_written_whole_where_a_pipe_takes_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    written = b""

    def write(descriptor: int, data: bytes) -> int:
        nonlocal written
        written += data[:7]
        return len(data[:7])

    monkeypatch.setattr(os, "write", write)
    config.emit("ended", message="x" * 100)
    assert written == b'{"event": "ended", "message": "' + b"x" * 100 + b'"}\n'
