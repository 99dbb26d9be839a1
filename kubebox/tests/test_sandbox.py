"""`Sandbox`: where it is made, and what it does for you."""

import asyncio
from pathlib import Path

import anyio
import pytest

from kubebox import Sandbox, errors
from kubebox._where import choose_where

from .conftest import PATIENCE, Server


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's config file, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("KUBEBOX_URL", "KUBEBOX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "kubebox").mkdir()
    return tmp_path / "kubebox" / "config.toml"


def test_what_is_asked_for_comes_first_and_local_last(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_where() == "local"
    config.write_text('where = "http://file:1"\n')
    assert choose_where() == "http://file:1"
    monkeypatch.setenv("KUBEBOX_CONFIG", "/kubeconfig")
    assert choose_where() == "/kubeconfig"
    monkeypatch.setenv("KUBEBOX_URL", "http://environment:1")
    assert choose_where() == "http://environment:1"
    assert choose_where("local") == "local"


def test_the_current_kubectl_context_is_never_taken_unasked(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert choose_where() == "local"


@pytest.mark.parametrize("content", ["where = 7", "where =", b"\xff"])
def test_a_broken_config_file_is_told(config: Path, content: str | bytes) -> None:
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(errors.ConfigurationError, match=r"config\.toml"):
        choose_where()


async def test_an_existing_server_is_used_by_its_url(server: Server) -> None:
    async with Sandbox.create(server.url, private_key=server.private_key, env={"COLOUR": "red"}) as sandbox:
        assert (sandbox.where, sandbox.id) == (server.url, "test")
        result = await sandbox.run("echo $COLOUR $SHAPE; echo err >&2", env={"SHAPE": "round"})
        assert (result.stdout, result.stderr) == ("red round\n", "err\n")


async def test_a_sandbox_can_be_awaited_and_killed(server: Server) -> None:
    sandbox = await Sandbox.create(server.url, private_key=server.private_key)
    process = await sandbox.start("exec sleep 60")
    await sandbox.kill()
    async with Sandbox.create(server.url, private_key=server.private_key) as other:
        status = await other.client.check_status(sandbox.session_id, process.process_id)
    assert status.verdict is not None
    assert status.verdict.kind == "killed"


async def test_a_killed_sandbox_says_so_and_is_killed_once(server: Server) -> None:
    sandbox = await Sandbox.create(server.url, private_key=server.private_key)
    await sandbox.kill()
    await sandbox.kill()
    for call in (sandbox.run("true"), sandbox.files.exists("x"), sandbox.stream("true")):
        with pytest.raises(errors.NotConnected, match="killed"):
            await call
    assert "killed" in repr(sandbox)


async def test_making_one_is_bounded_by_its_url_too(unused_port: int) -> None:
    with pytest.raises(errors.SandboxUnreachable), anyio.fail_after(PATIENCE):
        await Sandbox.create(f"http://127.0.0.1:{unused_port}", timeout=0.3)


async def test_what_was_not_made_here_has_no_verdict_to_ask(server: Server) -> None:
    async with Sandbox.create(server.url, private_key=server.private_key) as sandbox:
        with pytest.raises(errors.NotSupported):
            await sandbox.verdict()


async def test_nothing_shows_a_secret(server: Server) -> None:
    creation = Sandbox.create(server.url, private_key=server.private_key)
    async with creation as sandbox:
        process = await sandbox.start("true")
        for one in (creation, sandbox, sandbox.client, process, process.attach()):
            assert type(one).__name__ in repr(one)
            assert "0x" not in repr(one)
            assert "PRIVATE" not in repr(one)


async def test_callbacks_are_given_output_as_it_comes(server: Server) -> None:
    seen: list[tuple[str, str]] = []

    async def on_stderr(text: str) -> None:
        await asyncio.sleep(0)
        seen.append(("stderr", text))

    async with Sandbox.create(server.url, private_key=server.private_key) as sandbox:
        result = await sandbox.run(
            "printf '\\xe2\\x82'; sleep 0.05; printf '\\xac\\xff'; echo e >&2; exit 2",
            on_stdout=lambda text: seen.append(("stdout", text)),
            on_stderr=on_stderr,
        )
    assert "".join(text for type, text in seen if type == "stdout") == "€\ufffd" == result.stdout
    assert "".join(text for type, text in seen if type == "stderr") == "e\n" == result.stderr
    assert result.exit_code == 2


@pytest.mark.parametrize("end", ["cancelled", "the callback fails"])
async def test_a_watched_command_ends_with_its_watcher(server: Server, end: str) -> None:
    started = asyncio.Event()

    def on_stdout(text: str) -> None:
        started.set()
        if end == "the callback fails":
            raise RuntimeError("enough")

    async with Sandbox.create(server.url, private_key=server.private_key) as sandbox:
        running = asyncio.ensure_future(sandbox.run("echo on; exec sleep 60", on_stdout=on_stdout))
        await started.wait()
        if end == "cancelled":
            running.cancel()
        with pytest.raises((asyncio.CancelledError, RuntimeError)), anyio.fail_after(PATIENCE):
            await running
        (command,) = await sandbox.client.list_commands(sandbox.session_id)
        assert command.verdict is not None
        assert command.verdict.kind == "killed"


async def test_files(server: Server) -> None:
    async with Sandbox.create(server.url, private_key=server.private_key) as sandbox:
        files = sandbox.files
        await files.write("some/folder/text", "Grüße")
        await files.write("some/bytes", b"\xff")
        assert (await files.read("some/folder/text"), await files.read_bytes("some/bytes")) == (
            "Grüße",
            b"\xff",
        )
        assert [entry.path for entry in (await files.list("some", depth=None)).entries] == [
            "bytes",
            "folder",
            "folder/text",
        ]
        assert {"some/bytes", "some/folder/text"} <= set(await files.list_paths())
        assert await files.read("some/bytes", encoding=None) == b"\xff"
        assert await files.read("some/bytes", encoding="latin-1") == "ÿ"
        await files.make_dir("some/more")
        await files.remove("some", recursive=True)
        assert not await files.exists("some")


async def test_an_existing_server_cannot_be_given_options(server: Server) -> None:
    with pytest.raises(errors.NotSupported, match="image, lifetime"):
        await Sandbox.create(server.url, private_key=server.private_key, image="x", lifetime=3)


async def test_a_place_that_is_none_is_a_configuration_error(config: Path) -> None:
    with pytest.raises(errors.ConfigurationError):
        await Sandbox.create(str(config))


async def test_a_sandbox_has_terminals_shells_and_processes_that_are_written_to(server: Server) -> None:
    async with Sandbox.create(server.url, private_key=server.private_key, env={"COLOUR": "red"}) as sandbox:
        async with sandbox.shell(env={"SHAPE": "round"}) as shell:
            await shell.run("x=kept")
            assert (await shell.run("echo $x $COLOUR $SHAPE")).check().stdout == "kept red round\n"
        async with sandbox.terminal("stty size; echo $COLOUR", rows=30, columns=90) as terminal:
            assert b"".join([data async for data in terminal]) == b"30 90\r\nred\r\n"
            assert terminal.exit_code == 0
        process = await sandbox.start("cat", open_stdin=True)
        await process.write("typed")
        await process.close_stdin()
        stream = await sandbox.stream("cat", open_stdin=True)
        await stream.close_stdin()
        assert [piece async for piece in stream] == []
        assert [piece.output async for piece in process.attach()] == ["typed"]
