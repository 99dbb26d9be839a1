"""Commands against a real server: the three modes, what they give, and how they end."""

import asyncio
import os
from uuid import uuid4

import anyio
import pytest

from kubebox import errors
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode


async def test_a_wait_gives_both_streams_and_the_exit_code(client: SandboxClient, session: str) -> None:
    result = await client.run_command(session, "echo out; echo err >&2; exit 3", CommandMode.WAIT)
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    assert (result.stdout_bytes, result.finished, result.truncated) == (b"out\n", True, False)
    with pytest.raises(errors.CommandFailed) as caught:
        result.check()
    assert caught.value.result is result


async def test_a_stream_yields_output_and_then_knows_the_end(client: SandboxClient, session: str) -> None:
    stream = await client.run_command(session, "echo out; exit 3")
    assert stream.exit_code is None
    pieces = [piece async for piece in stream]
    assert b"".join(piece.data for piece in pieces) == b"out\n"
    assert (stream.exit_code, stream.verdict and stream.verdict.kind) == (3, "exited")
    with pytest.raises(errors.CommandFailed):
        stream.check()
