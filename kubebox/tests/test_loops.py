"""A connection belongs to one event loop: another one is told so at once, and nothing is printed when it ends."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable

import anyio
import pytest

from kubebox import Sandbox, errors
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode

from .conftest import PATIENCE, Server


async def elsewhere(use: Callable[[], Awaitable[object]]) -> None:
    """Do something on the loop of another thread, in time."""

    async def bounded() -> None:
        with anyio.fail_after(PATIENCE):
            await use()

    await asyncio.to_thread(asyncio.run, bounded())


async def test_another_loop_is_refused_and_the_owners_connection_goes_on(
    client: SandboxClient, session: str
) -> None:
    stream = await client.run_command(session, "echo on; read line", stdin="x\n")
    process = await client.run_command(session, "exec sleep 60", CommandMode.BACKGROUND)

    async def read() -> None:
        async for _ in stream:
            pass

    uses: list[Callable[[], Awaitable[object]]] = [
        lambda: client.run_command(session, "true", CommandMode.WAIT),
        lambda: client.file_exists(session, "x"),
        lambda: client.delete_file(session, "x"),
        lambda: client.get_file(session, "x"),
        lambda: client.sign_token("GET", "/"),
        lambda: process.wait(),
        lambda: client.connect(),
        lambda: client.disconnect(),
        stream.aclose,
        read,
    ]
    for use in uses:
        with pytest.raises(errors.WrongEventLoop) as caught:
            await elsewhere(use)
        assert isinstance(caught.value, RuntimeError)
    assert [piece.output async for piece in stream] == ["on\n"]
    await process.kill()


def test_a_loop_that_is_over_is_told(server: Server) -> None:
    client = SandboxClient(server.private_key, server.url)
    asyncio.run(client.connect())
    for use in (client.list_sessions, client.connect):
        with pytest.raises(errors.WrongEventLoop, match="over"):
            asyncio.run(use())


def test_who_has_disconnected_may_connect_on_another_loop(server: Server) -> None:
    client = SandboxClient(server.private_key, server.url)

    async def use() -> None:
        async with client:
            await client.list_sessions()

    asyncio.run(use())
    asyncio.run(use())


def test_a_sandbox_made_here_is_killed_from_any_loop() -> None:
    async def create() -> Sandbox:
        return await Sandbox.create("local")

    sandbox = asyncio.run(create())
    with pytest.raises(errors.WrongEventLoop):
        asyncio.run(sandbox.run("true"))
    asyncio.run(sandbox.kill())
    verdict = asyncio.run(sandbox.verdict())
    assert verdict is not None
    assert verdict.kind == "destroyed"


PROGRAM = """
import asyncio, os, signal, sys
from kubebox import SandboxClient

async def main():
    client = SandboxClient(os.environ["KUBEBOX_PRIVATE_KEY"], sys.argv[1])
    await client.connect()
    await client.initialize_session("ends", "ends")
    async for _ in await client.run_command("ends", "echo on; exec sleep 60", timeout=60):
        if sys.argv[2] == "error":
            raise ValueError("the program's own")
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(main())
except (ValueError, KeyboardInterrupt) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("end", "shown"), [("error", "ValueError\n"), ("interrupt", "KeyboardInterrupt\n")])
def test_a_program_that_ends_without_a_goodbye_prints_nothing(server: Server, end: str, shown: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, server.url, end],
        env={"KUBEBOX_PRIVATE_KEY": server.private_key},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # Development mode tells of slow steps, which a busy machine has.
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Executing <")]
    assert (ended.stdout, said, ended.returncode) == (shown, [], 0)
