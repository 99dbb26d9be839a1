"""Shells that stay: bash, and sh where it is the only one. What stays, what a code is, what ends a command and what the shell."""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from kubebox import errors
from kubebox._results import CommandResult
from kubebox._shell import Shell
from kubebox.client import SandboxClient
from kubebox_protocol.executions import CommandMode

from .conftest import PATIENCE, Server

MEBIBYTE = 1024 * 1024
TOOLS = (
    "cat", "env", "head", "kill", "ls", "mkfifo", "rm", "seq", "sh", "sha256sum", "sleep", "tail", "tr", "wc", "touch", "sed"
)  # fmt: skip
"""All that the workspace without bash has."""


@pytest.fixture(scope="session")
def server_without_bash(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server whose workspace has sh alone."""
    folder = tmp_path_factory.mktemp("without-bash")
    tools = folder / "tools"
    tools.mkdir()
    for name in TOOLS:
        found = os.path.realpath(shutil.which(name, path="/usr/bin:/bin") or "/nonexistent")
        if not Path(found).exists() or Path(found).name == "bash":
            pytest.skip(f"this machine has no {name} of its own")
        shutil.copy(found, tools / name)
    folders = [folder for folder in ("/usr/bin", "/bin") if not Path(folder).is_symlink()]
    hiding = [argument for hidden in folders for argument in ("--ro-bind", str(tools), hidden)]
    server = Server(folder, enclosure=hiding)
    server.start()
    yield server
    server.stop()


@dataclass(frozen=True)
class Place:
    """A session in which to open shells."""

    client: SandboxClient
    session: str = "shells"


@pytest.fixture(params=["bash", "sh"])
async def place(request: pytest.FixtureRequest) -> AsyncGenerator[Place]:
    """A workspace of either kind."""
    server: Server = request.getfixturevalue("server" if request.param == "bash" else "server_without_bash")
    with anyio.fail_after(2 * PATIENCE):
        async with SandboxClient(server.private_key, server.url) as client:
            place = Place(client, f"session-{uuid4()}")
            await client.initialize_session(place.session, place.session)
            yield place


@pytest.fixture
async def shell(place: Place) -> AsyncGenerator[Shell]:
    """A new shell, of either kind."""
    async with place.client.open_shell(place.session) as shell:
        yield shell


@pytest.fixture
async def bash(client: SandboxClient, session: str) -> AsyncGenerator[Shell]:
    async with client.open_shell(session) as shell:
        yield shell


async def is_bash(shell: Shell) -> bool:
    return (await shell.run("echo ${BASH_VERSION:+yes}")).stdout == "yes\n"


async def test_what_one_command_sets_the_next_one_finds(shell: Shell) -> None:
    await shell.run(
        "rm -rf deep; mkdir() { command env mkdir \"$@\"; }; cd /; variable='two  words'; export EXPORTED=1"
    )
    await shell.run("greet() { echo hello $1; }; set -- one two; umask 077; sleep 600 & job=$!")
    result = await shell.run(
        "pwd; echo \"$variable\"; sh -c 'echo $EXPORTED'; greet you; echo $2; umask; kill $job && echo gone"
    )
    assert result.stdout.splitlines() == ["/", "two  words", "1", "hello you", "two", "0077", "gone"]
    assert (result.exit_code, result.verdict.kind, result.process_id) == (0, "exited", shell.process_id)


async def test_what_is_bashs_own_stays_too(bash: Shell) -> None:
    await bash.run("declare -A colours=([apple]=red); shopt -s extglob; list=(1 2 3)")
    result = await bash.run(
        "echo ${colours[apple]} ${list[2]}; case apple in @(apple|pear)) echo fruit;; esac"
    )
    assert result.stdout == "red 3\nfruit\n"


async def test_a_code_is_the_commands_own_and_never_read_from_output(shell: Shell) -> None:
    result = await shell.run("echo '1 0'; echo '1 0' >&2; echo 99 0; sh -c 'exit 42'")
    assert (result.stdout, result.stderr, result.exit_code) == ("1 0\n99 0\n", "1 0\n", 42)
    forged = await shell.run("echo '3 77' >&9; echo '2 77' >&9; echo '2 77' >&3; sh -c 'exit 7'")
    assert (forged.stdout, forged.exit_code) == ("", 7)
    assert "Bad file descriptor" in forged.stderr
    assert (await shell.run("true")).exit_code == 0
    with pytest.raises(errors.CommandFailed) as caught:
        (await shell.run("echo said; false")).check()
    assert caught.value.result.stdout == "said\n"


async def test_the_code_of_the_command_before_is_there(shell: Shell) -> None:
    await shell.run("sh -c 'exit 42'")
    assert (await shell.run("echo $?")).stdout == "42\n"
    assert (await shell.run("echo $?")).stdout == "0\n"
    await shell.run("echo 'open")
    assert (await shell.run("echo $?; set -e")).stdout == "2\n"
    assert (await shell.run("echo lives")).stdout == "lives\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("echo last; exit 3", 3),
        ("exec sh -c 'echo last; exit 4'", 4),
        ("set -e; echo last; false; echo no", 1),
    ],
)
async def test_a_command_that_ends_the_shell_gives_its_result(shell: Shell, command: str, code: int) -> None:
    result = await shell.run(command)
    assert (result.stdout, result.exit_code, result.verdict.kind) == ("last\n", code, "exited")
    for _ in range(2):
        with pytest.raises(errors.ExecutionEnded):
            await shell.run("echo more")
    assert (await shell.status()).state == "ended"


@pytest.mark.parametrize("command", ["echo 'open", 'echo "open', "if true; then", ")", "for x in", "cat <<"])
async def test_what_is_no_command_is_an_error_of_its_own(shell: Shell, command: str) -> None:
    await shell.run("variable=kept")
    result = await shell.run(command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "yntax error" in result.stderr or "unexpected EOF" in result.stderr
    assert (await shell.run("echo $variable")).stdout == "kept\n"


WORDS = (
    "command", "builtin", "eval", "echo", "printf", "exit", "exec", "set", "unset", "test", "true", "false", "cat", "read",
    "readonly", "export", "trap", "return", "enable", "alias", "declare",
)  # fmt: skip
"""Names that a shell's own lines could use, or that could be used against them."""


def names_taken(*words: str, body: str) -> str:
    """A command that gives these names to functions."""
    return "\n".join(f"{word}() {{ {body}; }}" for word in words)


async def still_works(shell: Shell) -> None:
    """What a shell promises, said in words that nobody has taken."""
    assert (await shell.run("sh -c 'exit 42'", timeout=PATIENCE)).exit_code == 42
    assert (await shell.run("variable=$?; sh -c 'echo $1' - $variable", timeout=PATIENCE)).output == "42\n"
    result = await shell.run("sh -c 'echo $1; echo oh >&2' - $variable; sh -c 'exit 7'", timeout=PATIENCE)
    assert (result.stdout, result.stderr, result.exit_code) == ("42\n", "oh\n", 7)
    assert result.verdict.kind == "exited"


@pytest.mark.parametrize("body", [":", "return 3", "sh -c 'echo fooled'", "read x y z", "cat"])
@pytest.mark.parametrize("word", ["command", "builtin", "echo", "printf", "exit", "unset", "set", "test"])
async def test_a_function_may_have_any_name(shell: Shell, word: str, body: str) -> None:
    await shell.run(f"{word}() {{ {body}; }}", timeout=PATIENCE)
    await still_works(shell)
    if word in ("command", "builtin"):  # It stays what it was made, and goes as it came.
        again = await shell.run(f"{word} x; unset -f {word}", timeout=PATIENCE)
        assert again.stdout == ("fooled\n" if "fooled" in body else "")
        await still_works(shell)


@pytest.mark.parametrize("free", ["command", "builtin", "eval"])
async def test_all_names_but_one_may_be_taken(bash: Shell, free: str) -> None:
    others = [word for word in WORDS if word != free]
    await bash.run(names_taken(*others, body="sh -c 'echo fooled'"), timeout=PATIENCE)
    await still_works(bash)
    assert (await bash.run("sh -c 'exit 3'; variable='open", timeout=PATIENCE)).exit_code == 2
    await still_works(bash)


@pytest.mark.parametrize(
    "make", ["readonly -f command", "export -f command", "set -e", "set -x", "set -u", "set -f; set -C"]
)
async def test_a_name_may_be_taken_in_every_manner(bash: Shell, make: str) -> None:
    await bash.run(f"command() {{ return 3; }}; {make}", timeout=PATIENCE)
    assert (await bash.run("variable=kept; set +x", timeout=PATIENCE)).exit_code == 0
    assert (await bash.run("echo $variable", timeout=PATIENCE)).output == "kept\n"


async def test_an_alias_may_have_any_name(shell: Shell) -> None:
    await shell.run("shopt -s expand_aliases 2>/dev/null; alias kept='echo kept'", timeout=PATIENCE)
    await shell.run("; ".join(f"alias {word}='echo fooled'" for word in (*WORDS, "if")), timeout=PATIENCE)
    assert (await shell.run("kept; sh -c 'exit 42'", timeout=PATIENCE)).exit_code == 42
    await still_works(shell)


async def test_a_builtin_may_be_turned_off(bash: Shell) -> None:
    await bash.run("enable -n echo printf test builtin", timeout=PATIENCE)
    await still_works(bash)


@pytest.mark.parametrize(
    "command", ["set -n", "set -o noexec; echo never", "shopt -s extdebug; trap false DEBUG"]
)
async def test_a_shell_that_takes_no_more_commands_is_ended_at_once(shell: Shell, command: str) -> None:
    if "shopt" in command and not await is_bash(shell):
        return
    started = time.monotonic()
    result = await shell.run(f"echo said; {command}")
    assert time.monotonic() - started < PATIENCE / 4
    assert (result.stdout, result.verdict.kind, result.verdict.by) == ("said\n", "killed", "server")
    assert "takes no more commands" in result.verdict.message
    with pytest.raises(errors.ExecutionEnded, match="takes no more commands"):
        await shell.run("echo more")


@pytest.mark.parametrize(
    "command",
    [
        "command() { :; }; builtin() { :; }; eval() { :; }",
        "command() { return 3; }; builtin() { return 3; }; eval() { return 3; }; readonly -f eval",
    ],
)
async def test_a_shell_in_which_nothing_can_be_run_is_ended_at_once(bash: Shell, command: str) -> None:
    assert (await bash.run(command)).exit_code in (0, 1)
    started = time.monotonic()
    result = await bash.run("touch wrong; echo wrong")
    assert time.monotonic() - started < PATIENCE / 4
    assert (result.output, result.verdict.kind, result.verdict.by) == ("", "killed", "server")
    with pytest.raises(errors.ExecutionEnded, match="takes no more commands"):
        await bash.run("echo more")


@pytest.mark.parametrize("command", ["exec 10>&- 11>&- 12>&- 13>&-", "ulimit -n 9", "exec {a}<&0 </dev/zero"])
async def test_what_takes_descriptors_away_does_not_leave_anybody_waiting(bash: Shell, command: str) -> None:
    started = time.monotonic()
    await bash.run(command)
    with contextlib.suppress(errors.ExecutionEnded):
        await bash.run("echo $?")
    assert time.monotonic() - started < PATIENCE / 2


async def test_a_command_that_runs_long_is_not_taken_for_one_that_was_lost(shell: Shell) -> None:
    result = await shell.run("n=0; while [ $n -lt 60 ]; do sleep 0.05; n=$((n + 1)); done; echo $n")
    assert (result.stdout, result.exit_code) == ("60\n", 0)
    assert (await shell.run("echo $n")).stdout == "60\n"


async def test_there_is_no_loop_to_leave(shell: Shell) -> None:
    assert (await shell.run("echo before; break; echo after")).stdout == "before\nafter\n"
    assert (await shell.run("echo lives")).stdout == "lives\n"


async def test_a_return_is_an_error_in_bash_and_the_end_of_another_shell(shell: Shell) -> None:
    is_here = await is_bash(shell)
    result = await shell.run("return 5")
    if is_here:
        assert (result.exit_code, (await shell.run("echo lives")).stdout) == (2, "lives\n")
        return
    assert (result.exit_code, result.verdict.kind) == (5, "exited")
    with pytest.raises(errors.ExecutionEnded):
        await shell.run("echo more")


async def test_a_child_in_the_background_holds_nothing_up(shell: Shell) -> None:
    started = time.monotonic()
    result = await shell.run("sleep 600 & (sleep 600; echo never) & echo here")
    assert (result.stdout, result.exit_code) == ("here\n", 0)
    assert time.monotonic() - started < PATIENCE / 2
    assert (await shell.run("mkfifo go; (read x < go; echo from behind) & echo on")).stdout == "on\n"
    later = await shell.run("echo > go; wait $!; rm go")
    assert later.stdout == "from behind\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cat <<END\none $((1 + 1))\nEND", "one 2\n"),
        ("cat <<'END'\n$HOME 'quoted\nEND\n", "$HOME 'quoted\n"),
        ("for i in 1 2\ndo\n  echo $i\ndone\n", "1\n2\n"),
        ("echo a # a comment", "a\n"),
        ("# nothing else", ""),
        ("echo a \\\n  b", "a b\n"),
        ("echo a \\", "a \\\n"),
        ("echo a;\n\n\necho b\n", "a\nb\n"),
        ("echo 'ä€😀'", "ä€😀\n"),
        ('echo "it\'s $(echo \'nested "quotes"\')"', 'it\'s nested "quotes"\n'),
        ("printf '%s\\n' '\t!history %d'", "\t!history %d\n"),
    ],
)
async def test_a_command_is_what_is_written(shell: Shell, command: str, expected: str) -> None:
    result = await shell.run(command)
    assert (result.output, result.exit_code) == (expected, 0)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("echo a\0b", errors.InvalidArgument),
        (["echo"], errors.InvalidArgument),
        (5, errors.InvalidArgument),
        ("\ud800", errors.InvalidArgument),
        ("", errors.CommandEmpty),
        (" \n", errors.CommandEmpty),
        ("#" * (128 * 1024), errors.CommandTooLong),
    ],
)
async def test_what_no_shell_takes_is_refused_and_changes_nothing(
    shell: Shell, command: Any, error: type[errors.KubeboxError]
) -> None:
    with pytest.raises(error):
        await shell.run(command)
    with pytest.raises(errors.InvalidArgument, match=r"^timeout: "):
        await shell.run("true", timeout=0)
    assert (await shell.run("echo lives")).stdout == "lives\n"


async def test_a_command_of_100_kilobytes(shell: Shell) -> None:
    text = 'it is "so" ' * 10_000
    result = await shell.run(f"printf %s '{text}' | sha256sum")
    assert result.stdout.split()[0] == hashlib.sha256(text.encode()).hexdigest()


async def test_a_mebibyte_of_each_stream_arrives_exactly(shell: Shell) -> None:
    await shell.run("echo something before")
    result = await shell.run(
        f"head -c {MEBIBYTE} /dev/zero | tr '\\0' x; head -c {MEBIBYTE} /dev/zero | tr '\\0' y >&2"
    )
    assert (len(result.stdout), set(result.stdout), len(result.stderr), set(result.stderr)) == (
        MEBIBYTE, {"x"}, MEBIBYTE, {"y"}
    )  # fmt: skip
    assert not result.truncated
    assert (await shell.run("echo something after")).output == "something after\n"


async def test_of_too_much_output_head_and_tail_are_kept(bash: Shell) -> None:
    result = await bash.run("echo HEAD; head -c 12000000 /dev/zero | tr '\\0' x; echo TAIL")
    assert result.truncated
    assert result.stdout.startswith("HEAD\nx")
    assert result.stdout.endswith("xTAIL\n")


IN_TURN = """
import array, fcntl, os, termios
for number in range(1, 41):
    for stream in (1, 2):
        os.write(stream, f"{number}\\n".encode())
        held = array.array("i", [1])
        while held[0]:
            fcntl.ioctl(stream, termios.FIONREAD, held)
"""
"""Writes to one stream when what it wrote to the other one has been read: two pipes are read in any order."""


async def test_many_small_pieces_of_two_streams_keep_their_order(bash: Shell) -> None:
    result = await bash.run(f"python3 -c '{IN_TURN}'")
    numbers = "".join(f"{number}\n" for number in range(1, 41))
    assert (result.stdout, result.stderr) == (numbers, numbers)
    assert result.output.split() == [str(number // 2) for number in range(2, 82)]


async def test_bytes_are_exact(shell: Shell) -> None:
    result = await shell.run("printf '\\000\\377\\200\\n'; printf '\\303' ; printf '\\244'")
    assert result.stdout_bytes == b"\0\xff\x80\n\xc3\xa4"
    assert result.stdout == "\0\ufffd\ufffd\nä"


async def test_standard_input_is_empty(shell: Shell) -> None:
    assert (await shell.run("cat; echo $?; read x; echo $?")).stdout == "0\n1\n"
    await shell.run("exec 0</dev/zero")  # The script is read on from where it comes from.
    assert (await shell.run("echo lives")).stdout == "lives\n"


async def test_output_that_was_led_elsewhere_stays_there(shell: Shell) -> None:
    await shell.run("exec 1>out")
    assert (await shell.run("echo hidden; echo seen >&2")).output == "seen\n"
    assert (await shell.run("exec 9>&- 1>&2; cat out")).stderr == "hidden\n"


async def test_a_timeout_ends_the_command_and_not_the_shell(shell: Shell) -> None:
    await shell.run("variable=kept")
    started = time.monotonic()
    result = await shell.run("echo begun; sleep 600", timeout=0.5)
    assert time.monotonic() - started < 3.5
    assert (result.stdout, result.verdict.kind, result.verdict.by) == ("begun\n", "timed-out", "timeout")
    with pytest.raises(errors.CommandTimeout):
        result.check()
    assert (await shell.run("echo $variable", timeout=PATIENCE)).stdout == "kept\n"


@pytest.mark.parametrize("loop", ["while :; do :; done", "while :; do sleep 0.05; done"])
async def test_a_loop_that_nothing_else_ends_takes_the_shell_with_it(shell: Shell, loop: str) -> None:
    started = time.monotonic()
    result = await shell.run(f"echo begun; {loop}", timeout=0.3)
    assert time.monotonic() - started < PATIENCE / 2
    assert (result.stdout.splitlines()[0], result.verdict.kind, result.exit_code) == (
        "begun",
        "timed-out",
        -9,
    )
    with pytest.raises(errors.ExecutionEnded):
        await shell.run("echo more")


async def until_it_wrote(place: Place, shell: Shell) -> None:
    """Wait for the first output of a shell."""
    async for _ in place.client.attach(place.session, shell.process_id):
        return


async def test_whoever_stops_waiting_ends_the_command_and_not_the_shell(place: Place, shell: Shell) -> None:
    running = asyncio.ensure_future(shell.run("variable=kept; echo begun; sleep 600; touch late"))
    await until_it_wrote(place, shell)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    result = await shell.run("echo $variable; ls")
    assert result.stdout in ("kept\n", "kept\nlate\n")  # What comes after what was ended is still run.


async def test_whoever_stops_waiting_in_the_queue_runs_nothing(place: Place, shell: Shell) -> None:
    first = asyncio.ensure_future(shell.run("mkfifo go; echo begun; read line < go; echo $line"))
    await until_it_wrote(place, shell)
    second = asyncio.ensure_future(shell.run("touch wrong"))
    third = asyncio.ensure_future(shell.run("echo third; ls"))
    await asyncio.sleep(0)
    second.cancel()
    await place.client.run_command(place.session, "echo told > go", CommandMode.WAIT)
    assert (await first).stdout == "begun\ntold\n"
    assert (await third).stdout == "third\ngo\n"


async def test_calls_queue_up(shell: Shell) -> None:
    await shell.run("n=0")
    results = await asyncio.gather(*(shell.run(f"n=$((n + 1)); echo {call} $n") for call in range(20)))
    assert [result.stdout for result in results] == [f"{call} {call + 1}\n" for call in range(20)]


async def test_shells_run_side_by_side(place: Place) -> None:
    """More of them than a connection has questions; and still there is room for a kill."""
    shells = await asyncio.gather(*(place.client.open_shell(place.session) for _ in range(100)))
    running = [asyncio.ensure_future(shell.run("sleep 600")) for shell in shells]
    assert (await place.client.run_command(place.session, "echo quick", CommandMode.WAIT)).stdout == "quick\n"
    await place.client.kill_all_processes(place.session)
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    ended = [outcome for outcome in outcomes if isinstance(outcome, errors.ExecutionEnded)]
    killed = [each for each in outcomes if isinstance(each, CommandResult) and each.verdict.kind == "killed"]
    assert len(ended) + len(killed) == 100
    assert killed


async def test_the_end_of_a_shell_ends_all_that_it_started(place: Place) -> None:
    async with place.client.open_shell(place.session) as shell:
        await shell.run("sleep 600.25 & (sleep 600.25 &)")
    verdict = (await shell.status()).verdict
    assert verdict is not None
    assert (verdict.kind, verdict.by) == ("killed", "client")
    await shell.close()
    looking = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null"
    looked = await place.client.run_command(place.session, looking, CommandMode.WAIT)
    assert [line for line in looked.stdout.splitlines() if line.startswith("sleep 600.25")] == []


async def test_a_command_whose_shell_is_killed_gives_its_result(place: Place, shell: Shell) -> None:
    running = asyncio.ensure_future(shell.run("echo begun; sleep 600"))
    await until_it_wrote(place, shell)
    verdict = await shell.kill()
    result = await running
    assert (result.stdout, result.verdict, result.verdict.by) == ("begun\n", verdict, "client")


async def test_a_shell_begins_in_its_folder_with_its_variables(place: Place) -> None:
    await place.client.make_dirs(place.session, "deep")
    async with place.client.open_shell(place.session, "deep", env={"SHAPE": "round"}) as shell:
        result = await shell.run("pwd; echo $SHAPE")
        assert result.stdout.endswith("/deep\nround\n")
        record = await shell.status()
        assert (record.kind, record.mode) == ("shell", CommandMode.BACKGROUND)


async def test_any_client_finds_a_shell(place: Place, server: Server, server_without_bash: Server) -> None:
    first = await place.client.open_shell(place.session)
    await first.run("variable=kept")
    key = server.private_key if place.client.url == server.url else server_without_bash.private_key
    async with SandboxClient(key, place.client.url) as other:
        found = other.get_shell(place.session, first.process_id)
        assert (await found.run("echo $variable")).stdout == "kept\n"
        with pytest.raises(errors.ExecutionConflict):  # It was not run: another one was, meanwhile.
            await first.run("touch wrong")
        assert (await first.run("ls; echo mine")).stdout == "mine\n"
        again = await other.open_shell(place.session, process_id=first.process_id)
        assert (await again.run("echo $variable")).stdout == "kept\n"
        running = asyncio.ensure_future(again.run("mkfifo go; touch there; read line < go"))
        while not await other.file_exists(place.session, "there"):  # noqa: ASYNC110 - another process's
            await anyio.sleep(0.01)
        for busy in (first, place.client.get_shell(place.session, first.process_id)):
            with pytest.raises(errors.ShellBusy):
                await busy.run("touch wrong")
        await other.run_command(place.session, "echo > go", CommandMode.WAIT)
        assert (await running).exit_code == 0
    await first.close()


async def test_a_terminal_without_a_command_runs_the_shell_that_is_there(place: Place) -> None:
    shown = b""
    async with place.client.open_terminal(place.session, env={"PATH": "/nonexistent"}) as terminal:
        await terminal.write("case $- in *i*) echo inter''active $0;; esac; exit 5\n")
        async for data in terminal:
            shown += data
    assert re.search(rb"interactive \S*/(bash|sh)\r\n", shown)
    assert terminal.exit_code == 5


async def test_what_is_no_shell_runs_no_commands(place: Place) -> None:
    process = await place.client.run_command(place.session, ["sleep", "600"], CommandMode.BACKGROUND)
    with pytest.raises(errors.NotAShell):
        await place.client.get_shell(place.session, process.process_id).run("true")
    with pytest.raises(errors.InputClosed):
        await place.client.get_process(
            place.session, (await place.client.open_shell(place.session)).process_id
        ).write("exit 3\n")
    await place.client.kill_all_processes(place.session)
