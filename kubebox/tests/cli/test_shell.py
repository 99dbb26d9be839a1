"""`kubebox shell`: a person at a real terminal."""

import re
import shlex
import signal
from pathlib import Path
from uuid import uuid4

import pytest

from tests.command_line import Cli, Person


def left(person: Person) -> list[str]:
    """The arguments that come back, as a terminal that was left says them."""
    person.sees(b"to come back: kubebox ")
    said = person.sees(b"\n").decode()
    return shlex.split(said)


def test_a_terminal_has_the_size_of_the_persons(cli: Cli) -> None:
    with cli.person("shell", rows=31, columns=97) as person:
        person.sees_a_prompt()
        person.types(b"stty size\r")
        person.sees(b"31 97")
        person.sees_a_prompt()
        person.resizes(40, 120)
        # The program in front is told, and so is whoever asks afterwards.
        person.types(b"until stty size | grep '^40 '; do sleep 0.1; done\r")
        person.sees(b"40 120")
        person.types(b"exit 3\r")
        assert person.sees_the_end() == 3
        assert person.restored


def test_ctrl_c_goes_to_the_program(cli: Cli) -> None:
    with cli.person("shell") as person:
        person.sees_a_prompt()
        person.types(b"sh -c 'echo re''ady; exec sleep 60'\r")
        person.sees(b"ready\r\n")
        person.types(b"\x03")
        person.sees_a_prompt()
        person.types(b"echo ended with $?\r")
        person.sees(b"ended with 130")
        person.sees_a_prompt()
        person.types(b"\x04")
        assert person.sees_the_end() == 0
        assert person.restored


def test_every_byte_reaches_the_program(cli: Cli) -> None:
    keys = bytes(range(256)).replace(b"~", b"")
    with cli.person(
        "shell", "--", "sh", "-c", "stty raw -echo; echo ready; head -c 255 | od -An -v -tx1"
    ) as person:
        person.sees(b"ready")
        person.types(keys)
        person.sees_the_end()
        assert bytes.fromhex(re.sub(rb"\s", b"", person.seen).decode()) == keys


def test_a_terminal_is_left_and_come_back_to(cli: Cli) -> None:
    with cli.person("shell") as person:
        person.sees_a_prompt()
        person.types(b"kept=round; (while [ ! -e go ]; do sleep 0.1; done; echo worked on) &\r")
        person.sees_a_prompt()
        person.types(b"~d")
        arguments = left(person)
        assert person.sees_the_end() == 0
        assert person.restored
    assert cli.run("run", "--", "touch", "go").returncode == 0
    assert arguments[:2] == ["shell", "--attach"]
    (record,) = [one for one in cli.json("ps") if one["process_id"] == arguments[2]]
    assert (record["kind"], record["state"]) == ("terminal", "running")
    with cli.person(*arguments, rows=50, columns=90) as person:
        person.sees(b"kept=round")  # what was shown before
        person.sees(b"worked on")
        person.types(b"\recho $kept; stty size\r")
        person.sees(b"round\r\n")
        person.sees(b"50 90")
        person.types(b"exit\r")
        assert person.sees_the_end() == 0
    assert cli.run("run", "--", "rm", "go").returncode == 0


def test_one_tilde_ends_it(cli: Cli) -> None:
    with cli.person("shell") as person:
        person.sees_a_prompt()
        person.types(b"echo a ~. ~~; trap '' TERM\r")
        person.sees(b"a ~. ~~\r\n")  # in the middle of a line it is a tilde like any other
        person.sees_a_prompt()
        person.types(b"~?")
        person.sees(b"~d  leave it")
        person.types(b"~.")
        assert person.sees_the_end() in (129, 137, 143)
        assert person.restored


def test_a_tilde_works_although_the_program_reads_nothing(cli: Cli) -> None:
    with cli.person("shell", "--", "sh", "-c", "stty raw -echo; echo ready; exec sleep 60") as person:
        person.sees(b"ready")
        person.types(b"x" * 3000)
        person.types(b"\r~.")
        assert person.sees_the_end() in (137, 143)
        assert person.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_from_elsewhere_leaves_the_terminal_as_it_was(cli: Cli, number: signal.Signals) -> None:
    with cli.person("shell") as person:
        person.sees_a_prompt()
        assert not person.restored
        person.process.send_signal(number)
        assert person.sees_the_end() == 128 + number
        assert person.restored


def test_one_made_for_a_shell_ends_with_it(alone: Cli, place: Path) -> None:
    with alone.person("shell") as person:
        person.sees_a_prompt()
        person.types(b"~d")
        person.sees(b"ends with it")
        person.types(b"exit\r")
        assert person.sees_the_end() == 0
        assert person.restored
    assert list(place.iterdir()) == []


def test_a_shell_needs_a_terminal(cli: Cli) -> None:
    done = cli.run("shell", "--session", "unattended")
    assert done.returncode == 255
    assert b"kubebox run" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert cli.json("ps", "--session", "unattended") == []


def test_a_command_without_a_terminal_is_not_come_back_to(cli: Cli) -> None:
    process_id = cli.line("run", "--detach", "--", "sleep", "60")
    with cli.person("shell", "--attach", process_id) as person:
        person.sees(b"kubebox: not-a-terminal: ")
        assert person.sees_the_end() == 255
    assert cli.run("stop", process_id).returncode == 0
    with cli.person("shell", "--attach", str(uuid4())) as person:
        person.sees(b"kubebox: execution-not-found: ")
        assert person.sees_the_end() == 255
