"""Everything that is awaited elsewhere, waited for."""

import urllib.request
from pathlib import Path

import pytest

from kubebox.sync import (
    CommandMode,
    CommandStream,
    FileChange,
    Kubebox,
    Sandbox,
    SandboxClient,
    Terminal,
    errors,
)
from kubebox_protocol.keys import new_private_key


def test_a_command_gives_its_result(sandbox: Sandbox) -> None:
    result = sandbox.run("echo out; echo err >&2; exit 3", env={"A": "b"})
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)
    with pytest.raises(errors.CommandFailed):
        result.check()
    assert sandbox.run(["cat"], stdin=b"\x00\xff").stdout_bytes == b"\x00\xff"


def test_errors_are_the_same(sandbox: Sandbox) -> None:
    with pytest.raises(errors.ProgramNotFound):
        sandbox.run(["no-such-program"])
    with pytest.raises(errors.InvalidArgument):
        sandbox.run("true", timeout=-1)
    with pytest.raises(errors.CommandTimeout):
        sandbox.run("sleep 60", timeout=0.1).check()


def test_output_is_read_as_it_comes(sandbox: Sandbox) -> None:
    with sandbox.stream('while read line; do echo "got $line"; done', open_stdin=True) as stream:
        stream.write("one\n")
        for output in stream:
            assert (output.output, output.offset) == ("got one\n", 0)
            break
        stream.write("two\n")
        stream.close_stdin()
        assert [output.output for output in stream] == ["got two\n"]
        assert (stream.exit_code, stream.dropped_bytes) == (0, 0)
        assert stream.check() is stream
    failed = sandbox.stream("exit 1")
    assert list(failed) == []
    with pytest.raises(errors.CommandFailed):
        failed.check()


def test_a_port_is_reached_by_whoever_knows_nothing_of_loops(sandbox: Sandbox) -> None:
    sandbox.files.write("served/page", "hello")
    sandbox.start("cd served && exec python3 -m http.server --bind 127.0.0.1 8000")
    sandbox.ports.wait(8000)
    with urllib.request.urlopen(f"{sandbox.ports.url(8000)}/page") as answer:
        assert answer.read() == b"hello"
    with sandbox.ports.forward(8001) as forward:
        with pytest.raises(OSError, match="reset"):
            urllib.request.urlopen(forward.url)
        assert isinstance(forward.refused(), errors.PortClosed)
    with pytest.raises(errors.PortTimeout):
        sandbox.ports.wait(8001, timeout=0.1)


def test_a_command_in_the_background_goes_on(sandbox: Sandbox) -> None:
    process = sandbox.start("echo on; read line; echo $line", open_stdin=True)
    assert process.status().state == "running"
    process.write("off\n")
    assert process.wait().exit_code == 0
    assert "".join(output.output for output in process.attach()) == "on\noff\n"
    again = sandbox.client.get_process(sandbox.session_id, process.process_id)
    assert "".join(output.output for output in again.attach(3)) == "off\n"
    assert sandbox.start("exec sleep 60").kill(grace=1).kind == "killed"


def test_a_shell_stays(sandbox: Sandbox) -> None:
    with sandbox.shell(env={"NAME": "x"}) as shell:
        shell.run("cd /tmp; name=$NAME").check()
        assert shell.run("echo $name $PWD").stdout == "x /tmp\n"
    with pytest.raises(errors.ExecutionEnded):
        shell.run("true")
    other = sandbox.shell()
    assert other.run("echo $((1 + 1))").stdout == "2\n"
    other.close()


def test_a_folder_is_watched(sandbox: Sandbox) -> None:
    with sandbox.files.watch(".") as changes:
        sandbox.files.write("watched", "x")
        assert next(changes) == FileChange(path="watched", type="created")
        sandbox.files.remove("watched")
        for change in changes:
            assert (change.type, change.path) == ("deleted", "watched")
            break
    assert list(changes) == []
    with pytest.raises(errors.SandboxFileNotFound):
        sandbox.files.watch("none")


def test_a_terminal_shows_what_a_person_would_see(sandbox: Sandbox) -> None:
    with sandbox.terminal('read line; stty size; echo "<$line>"', rows=5, columns=7) as terminal:
        assert isinstance(terminal, Terminal)
        terminal.resize(9, 11)
        terminal.write("typed\n")
        shown = b"".join(terminal)
        assert b"9 11" in shown
        assert b"<typed>" in shown
    assert terminal.exit_code == 0
    assert terminal.offset == len(shown)
    with sandbox.client.attach_terminal(sandbox.session_id, terminal.process_id, 0) as again:
        assert b"".join(again) == shown


def test_files_are_written_read_and_listed(sandbox: Sandbox, tmp_path: Path) -> None:
    files = sandbox.files
    files.write("deep/text", "ünï")
    files.write("deep/bytes", b"\x00\xff")
    (tmp_path / "local").write_bytes(b"local" * 100_000)
    files.write("deep/local", tmp_path / "local")
    files.write("deep/pieces", (bytes([65 + number]) * 3 for number in range(3)))
    assert files.read("deep/text") == "ünï"
    assert files.read("deep/bytes", encoding=None) == files.read_bytes("deep/bytes") == b"\x00\xff"
    assert files.read_bytes("deep/local") == b"local" * 100_000
    assert files.read("deep/pieces") == "AAABBBCCC"
    assert [entry.path for entry in files.list("deep").entries] == ["bytes", "local", "pieces", "text"]
    assert files.list_paths(["tex"]) == ["deep/text"]
    told: list[int] = []
    assert files.upload(tmp_path / "local", "deep/sent", on_progress=told.append).size == told[-1] == 500_000
    assert b"".join(files.stream("deep/sent", offset=4, length=2)) == b"ll"
    assert files.download("deep/sent", tmp_path / "back").size == 500_000
    assert (tmp_path / "back").read_bytes() == (tmp_path / "local").read_bytes()
    files.remove("deep", recursive=True)
    assert not files.exists("deep")
    with pytest.raises(FileNotFoundError):
        files.read("deep/text")


def test_pods_services_and_clients() -> None:
    key = new_private_key()
    with Kubebox("local", private_key=key) as kubebox:
        pod = kubebox.create_pod("box")
        service = kubebox.create_service("box")
        pod.wait_until_ready()
        assert kubebox.create_pod("box") == pod
        assert kubebox.get_all_pods() == [pod]
        assert kubebox.get_all_services() == [service]
        assert pod.limits["memory"]["value"]
        with SandboxClient(key, f"http://{service.get_external_ip()}", identity=pod.identity) as client:
            client.initialize_session("session", "folder")
            assert [session.session_id for session in client.list_sessions()] == ["session"]
            assert client.run_command("session", "pwd", CommandMode.WAIT).stdout == "/workspace/folder\n"
            stream = client.run_command("session", "echo hello")
            assert isinstance(stream, CommandStream)
            assert [output.output for output in stream] == ["hello\n"]
        with pytest.raises(errors.NotConnected):
            client.list_sessions()
        client.connect()  # which again begins a loop, where none was needed
        assert not client.file_exists("session", "nothing")
        client.disconnect()
        pod.destroy()
        verdict = pod.verdict()
        assert verdict is not None
        assert verdict.kind == "destroyed"


def test_a_killed_sandbox_says_so(sandbox: Sandbox) -> None:
    with Sandbox.create(sandbox.client.url, private_key=None) as other:
        assert other != sandbox
        process = other.start("exec sleep 60")
    other.kill()
    assert "killed" in repr(other)
    for use in (lambda: other.run("true"), lambda: other.files.exists("x"), process.wait):
        with pytest.raises(errors.NotConnected):
            use()
    killed = sandbox.client.check_status(other.session_id, process.process_id).verdict
    assert killed is not None
    assert killed.kind == "killed"


def test_what_calls_give_is_not_constructed() -> None:
    with pytest.raises(TypeError, match="Sandbox is not constructed"):
        Sandbox()
