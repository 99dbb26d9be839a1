"""What a type checker knows of `kubebox.sync`; nothing of this runs, pyright holds it."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import assert_type

from kubebox.sync import (
    BackgroundProcess,
    CommandMode,
    CommandOutput,
    CommandResult,
    CommandStream,
    Execution,
    FileChange,
    FileList,
    FileWatch,
    Kubebox,
    KubeboxError,
    KubeboxPod,
    KubeboxService,
    PortForward,
    Sandbox,
    SandboxClient,
    Shell,
    Terminal,
    Transferred,
    Verdict,
)
from kubebox.sync._sandbox_files import SandboxFiles
from kubebox_protocol.files import FileWritten
from kubebox_protocol.sessions import SessionRecord


def sandboxes() -> None:
    with Sandbox.create("local", image="i", lifetime=60, env={"A": "b"}) as entered:
        assert_type(entered, Sandbox)
    sandbox = Sandbox.create()
    assert_type(sandbox, Sandbox)
    assert_type(sandbox.client, SandboxClient)
    assert_type(sandbox.files, SandboxFiles)
    assert_type(sandbox.id, str)
    assert_type(sandbox.verdict(), Verdict | None)
    assert_type(sandbox.run("true", on_stdout=print), CommandResult)
    assert_type(sandbox.run(["true"], on_stderr=lambda text: text.upper()).check(), CommandResult)
    assert_type(sandbox.stream("true", open_stdin=True), CommandStream)
    assert_type(sandbox.start("true"), BackgroundProcess)
    assert_type(sandbox.kill(), None)
    Sandbox.create(nonsense=1)  # pyright: ignore[reportCallIssue] - there is no such option
    sandbox.run("true", on_stdout=7)  # pyright: ignore[reportArgumentType] - that is no function
    sandbox.run("true", 5)  # pyright: ignore[reportCallIssue] - options have names


def files(files: SandboxFiles, pieces: Iterator[bytes]) -> None:
    assert_type(files.read("x"), str)
    assert_type(files.read("x", encoding="latin-1"), str)
    assert_type(files.read("x", encoding=None), bytes)
    assert_type(files.list(), FileList)
    assert_type(files.stream("x", offset=1), Generator[bytes])
    assert_type(files.upload("x"), Transferred)
    assert_type(files.download("x", "y"), Transferred)
    for content in ("text", b"bytes", Path("x"), pieces, [b"a", b"b"]):
        assert_type(files.write("x", content), FileWritten)


def commands(sandbox: Sandbox, client: SandboxClient, mode: CommandMode) -> None:
    assert_type(client.run_command("s", "true"), CommandStream)
    assert_type(client.run_command("s", "true", CommandMode.STREAM), CommandStream)
    assert_type(client.run_command("s", "true", CommandMode.WAIT), CommandResult)
    assert_type(client.run_command("s", "true", mode=CommandMode.BACKGROUND), BackgroundProcess)
    assert_type(client.run_command("s", "true", mode), CommandStream | CommandResult | BackgroundProcess)
    assert_type(client.attach("s", "p"), CommandStream)
    assert_type(client.get_process("s", "p").attach().process_id, str)
    assert_type(client.list_commands("s"), list[Execution])
    assert_type(client.list_sessions(), list[SessionRecord])
    with sandbox.stream("true") as stream:
        assert_type(stream, CommandStream)
        assert_type(iter(stream), Generator[CommandOutput])
        assert_type([output.output for output in stream], list[str])
        assert_type(stream.check(), CommandStream)
    with sandbox.terminal() as terminal:
        assert_type(terminal, Terminal)
        assert_type(list(terminal), list[bytes])
        assert_type(terminal.wait(), Verdict)
    assert_type(client.attach_terminal("s", "p"), Terminal)
    with sandbox.files.watch() as changes:
        assert_type(changes, FileWatch)
        assert_type(list(changes), list[FileChange])
    with sandbox.shell() as shell:
        assert_type(shell, Shell)
        assert_type(shell.run("true"), CommandResult)
    assert_type(sandbox.ports.url(80), str)
    with client.ports.forward(80) as forward:
        assert_type(forward, PortForward)
        assert_type(forward.refused(), KubeboxError)
    with client as entered:
        assert_type(entered, SandboxClient)


def pods() -> None:
    with Kubebox("local") as kubebox:
        assert_type(kubebox, Kubebox)
        assert_type(kubebox.create_pod("x", network="internet"), KubeboxPod)
        assert_type(kubebox.create_service("x").get_external_ip(), str)
        assert_type(kubebox.get_all_pods(), list[KubeboxPod])
        assert_type(kubebox.get_all_services(), list[KubeboxService])
        assert_type(kubebox.create_secret("x", {}).name, str)
