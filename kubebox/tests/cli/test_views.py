"""`kubebox ls` and `config`, and what all views have in common."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubebox.cli._escapes import Escapes, Wish
from kubebox.cli._visible import visible
from tests.command_line import KUBEBOX, Cli

from ..conftest import Server

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "two\nlines",
    "-rf",
    "$(touch x)",
    "back\\slash",
    "[bold red]markup",
    "ü" * 127,
]


@pytest.fixture
def folder(server: Server) -> Path:
    """A folder of the sandbox with names that nobody would choose."""
    made = server.workspace / "hostile"
    made.mkdir(exist_ok=True)
    for name in HOSTILE:
        (made / name).touch()
    (made / "sub").mkdir(exist_ok=True)
    (made / "sub" / "inner").touch()
    Path(os.fsdecode(os.fsencode(made) + b"/\xff")).touch()
    return made


def test_hostile_names_do_nothing_to_a_terminal(cli: Cli, folder: Path) -> None:
    done = cli.run("ls", folder.name)
    assert done.returncode == 0
    shown = done.stdout.decode()
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert len(shown.splitlines()) == len(HOSTILE) + 2  # with the heading, and `sub`
    for name in HOSTILE:
        assert visible(name) in shown
    assert b"1 names are not UTF-8" in done.stderr


def test_hostile_names_do_nothing_to_a_real_terminal(cli: Cli, folder: Path) -> None:
    with cli.person("ls", folder.name, columns=40) as person:
        assert person.sees_the_end() == 0
        for harm in (b"\x1b]", b"\x9b2J", b"\x07", "\u202e".encode(), b"two\r\nlines"):
            assert harm not in person.seen


def test_programs_get_names_exactly(cli: Cli, folder: Path) -> None:
    entries = cli.json("ls", folder.name)
    assert {entry["path"] for entry in entries} == {*HOSTILE, "sub"}
    assert {entry["type"] for entry in entries} == {"file", "directory"}
    assert "sub/inner" in {entry["path"] for entry in cli.json("ls", "--recursive", folder.name)}


@pytest.mark.parametrize("written", ["hostile/", "./hostile", "hostile//.", "hostile/sub/.."])
def test_a_folder_is_found_however_it_is_written(cli: Cli, folder: Path, written: str) -> None:
    assert {entry["path"] for entry in cli.json("ls", written)} == {*HOSTILE, "sub"}


def test_one_file_and_none(cli: Cli, folder: Path) -> None:
    (entry,) = cli.json("ls", "hostile/sub/inner")
    assert (entry["type"], entry["size"]) == ("file", 0)
    done = cli.run("ls", "absent\x1b[2J")
    assert done.returncode == 255
    assert done.stderr.startswith(b"kubebox: file-not-found: ")
    assert b"\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def settings(cli: Cli, *flags: str) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["value"], one["source"]) for one in cli.json("config", *flags)}


def test_what_holds_is_said_with_its_source(tmp_path: Path) -> None:
    cli = Cli({"XDG_CONFIG_HOME": str(tmp_path)})
    file = tmp_path / "kubebox" / "config.toml"
    assert settings(cli)["where"] == ("local", "default")
    file.parent.mkdir()
    file.write_text('where = "http://file:1"\nname = "mine"\nnamespace = "agents"\n')
    assert settings(cli)["where"] == ("http://file:1", str(file))
    assert settings(cli)["namespace"] == ("agents", str(file))
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.touch()
    cli.variables |= {"KUBEBOX_CONFIG": str(kubeconfig), "KUBEBOX_NAME": "yours"}
    assert settings(cli)["where"] == (str(kubeconfig), "$KUBEBOX_CONFIG")
    assert settings(cli)["name"] == ("yours", "$KUBEBOX_NAME")
    cli.variables["KUBEBOX_URL"] = "http://environment:1"
    assert settings(cli)["where"] == ("http://environment:1", "$KUBEBOX_URL")
    assert settings(cli, "--config", "local")["where"] == ("local", "--config")
    assert settings(cli, "--url", "http://flag:1")["where"] == ("http://flag:1", "--url")


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secrets = {
        "KUBEBOX_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----",
        "KUBEBOX_CONFIG": "apiVersion: v1\nusers: [{user: {token: hidden}}]",
    }
    done = Cli({"XDG_CONFIG_HOME": str(tmp_path), **secrets}).run("config")
    assert done.returncode == 0
    assert b"hidden" not in done.stdout
    url = {"KUBEBOX_URL": "http://user:hidden@host:1"}
    assert b"hidden" not in Cli({"XDG_CONFIG_HOME": str(tmp_path), **url}).run("config").stdout


def test_who_names_no_sandbox_is_told_how(tmp_path: Path) -> None:
    cli = Cli({"XDG_CONFIG_HOME": str(tmp_path)})
    for arguments in (
        ["ps"],
        ["ls"],
        ["logs", "x"],
        ["list"],
        ["create"],
        ["kill", "x"],
        ["run", "--name", "x", "--", "true"],
    ):
        done = cli.run(*arguments)
        assert done.returncode == 255, arguments
        assert b"--config" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--nonsense"],
        ["ps", "--all=maybe"],
        ["logs"],
        ["run", "--timeout", "x", "--", "y"],
    ],
)
def test_a_wrong_command_line_is_said_in_one_line(cli: Cli, arguments: list[str]) -> None:
    done = cli.run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"kubebox: usage: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_stranger_is_told_so(cli: Cli) -> None:
    del cli.variables["KUBEBOX_PRIVATE_KEY"]
    done = cli.run("run", "--", "true")
    assert done.returncode == 255
    assert done.stderr.startswith(b"kubebox: token-invalid: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_list_of_commands_needs_no_parser() -> None:
    program = "import sys; sys.argv[1:] = ['--help']; from kubebox.cli import main; main()"
    check = f"{program}; print([name for name in ('cyclopts', 'rich', 'asyncio', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("run", "shell", "doctor", "keys", "--install-completion"):
        assert f"\n  {name} " in done.stdout


def test_every_command_has_its_help(cli: Cli) -> None:
    from kubebox.cli._summaries import COMMANDS

    for name in COMMANDS:
        done = cli.run(name, "--help")
        assert done.returncode == 0, done.stderr
        assert f"kubebox {name}".encode() in done.stdout
        assert b"\x1b" not in done.stdout


def test_a_shell_is_taught_the_commands(cli: Cli, tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    assert cli.line(
        "--install-completion", "--shell", "bash", "--output", str(script), "--no-startup"
    ) == str(script)
    asked = "COMP_WORDS=(kubebox r) COMP_CWORD=1 COMP_LINE='kubebox r' COMP_POINT=9"
    function = r"$(complete -p kubebox | sed 's/.*-F \([^ ]*\).*/\1/')"
    typed = f'source "$1"; {asked}; {function} kubebox r kubebox; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", typed, "bash", str(script)], capture_output=True, text=True, check=True
    )
    assert "run" in done.stdout.split()


def test_nothing_is_lost_on_a_terminal_without_unicode(cli: Cli, folder: Path) -> None:
    cli.variables["PYTHONIOENCODING"] = "ascii"
    done = cli.run("ls", folder.name)
    assert done.returncode == 0
    assert done.stdout.isascii()


@given(st.lists(st.binary(max_size=6)), st.binary(max_size=40))
def test_keys_are_understood_however_they_are_cut(pieces: list[bytes], keys: bytes) -> None:
    cut, whole = Escapes(), Escapes()
    typed = [*pieces, keys]
    assert _joined([one for piece in typed for one in cut.read(piece)]) == _joined(
        whole.read(b"".join(typed))
    )


def test_tildes_mean_something_at_the_start_of_a_line_alone() -> None:
    assert Escapes().read(b"~.") == [Wish.END]
    assert Escapes().read(b"a~.\r~d") == [b"a~.\r", Wish.DETACH]
    assert Escapes().read(b"~~.\r~x~.") == [b"~.\r~x~."]
    assert Escapes().read(b"\r~?~.") == [b"\r", Wish.HELP, Wish.END]


def _joined(found: list[bytes | Wish]) -> list[bytes | Wish]:
    joined: list[bytes | Wish] = []
    for one in found:
        if isinstance(one, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += one
        else:
            joined.append(one)
    return joined


def test_the_command_is_the_one_that_was_installed() -> None:
    assert Path(KUBEBOX).is_file()
    assert json.loads(subprocess.run([KUBEBOX, "version", "--json"], capture_output=True, check=True).stdout)[
        "kubebox"
    ]
