"""`kubebox run`: a command elsewhere, as if it ran here."""

import base64
import json
import os
import random
import select
import signal
import subprocess
from pathlib import Path

import pytest

from tests.command_line import KUBEBOX, PATIENCE, Cli

from ..conftest import Server

MEBIBYTE = 1024 * 1024


def test_streams_stay_apart_and_the_exit_code_is_the_commands(cli: Cli) -> None:
    done = cli.run("run", "--", "sh", "-c", "printf out; printf err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out", b"err", 7)


def test_bytes_go_through_exactly_both_ways(cli: Cli) -> None:
    data = random.Random(6).randbytes(5 * MEBIBYTE + 17)
    done = cli.run("run", "--", "cat", stdin=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


def test_a_file_is_an_input_and_an_output_too(cli: Cli, tmp_path: Path) -> None:
    data = random.Random(7).randbytes(MEBIBYTE)
    (tmp_path / "a").write_bytes(data)
    with (
        (tmp_path / "a").open("rb") as a,
        (tmp_path / "b").open("wb") as b,
        cli.start("run", "--", "cat", stdin=a, stdout=b) as process,
    ):
        assert process.wait(PATIENCE) == 0
    assert (tmp_path / "b").read_bytes() == data


def test_the_end_of_the_input_is_passed_on(cli: Cli) -> None:
    assert cli.run("run", "--", "wc", "-c").stdout.strip() == b"0"
    assert cli.run("run", "--no-stdin", "--", "wc", "-c", stdin=b"unread").stdout.strip() == b"0"


def test_input_that_nobody_reads_holds_nothing_up(cli: Cli) -> None:
    assert cli.run("run", "--", "true", stdin=bytes(4 * MEBIBYTE)).returncode == 0
    with cli.start("run", "--", "echo", "done") as process:  # whose input never ends
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(PATIENCE) == 0


def test_a_command_that_does_not_read_holds_the_writer_back(cli: Cli, server: Server) -> None:
    program = "echo ready; until [ -e read-on ]; do sleep 0.1; done; exec wc -c"
    with cli.start("run", "--", "sh", "-c", program) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        writing = process.stdin.fileno()
        os.set_blocking(writing, False)
        given = 0
        while select.select([], [writing], [], 2)[1]:
            given += os.write(writing, bytes(65536))
            assert given < MEBIBYTE
        (server.workspace / "read-on").touch()
        process.stdin.close()
        process.stdin = None
        assert process.stdout.read().split() == [str(given).encode()]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_exit_codes_are_those_of_shells(cli: Cli, command: list[str], code: int) -> None:
    assert cli.run("run", "--", *command).returncode == code


def test_a_timeout_is_124_and_said(cli: Cli) -> None:
    done = cli.run("run", "--timeout", "0.3", "--", "sleep", "60")
    assert done.returncode == 124
    assert done.stderr.startswith(b"kubebox: timed-out: ")


def test_options_of_the_command_are_its_own(cli: Cli) -> None:
    done = cli.run("run", "--", "printf", "%s ", "--json", "-e", "--", "--url")
    assert done.stdout == b"--json -e -- --url "


def test_variables_and_the_folder_are_given(cli: Cli, server: Server) -> None:
    cli.variables["SHAPE"] = "round=1"
    (server.workspace / "inner").mkdir()
    done = cli.run(
        "run",
        "-e",
        "COLOUR=red=2",
        "--env",
        "SHAPE",
        "--path",
        "inner",
        "--",
        "sh",
        "-c",
        "echo $COLOUR $SHAPE; pwd",
    )
    assert done.stdout.decode() == f"red=2 round=1\n{server.workspace}/inner\n", done.stderr
    assert cli.run("run", "-e", "ABSENT", "--", "true").returncode == 255


def test_a_command_whose_output_nobody_takes_is_killed(cli: Cli) -> None:
    with cli.start("run", "--session", "unread", "--", "yes") as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""
    (record,) = cli.json("ps", "--all", "--session", "unread")
    assert (record["state"], record["verdict"]) == ("ended", "killed")


def test_ctrl_c_interrupts_the_command(cli: Cli) -> None:
    trap = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 1; done"
    with cli.person("run", "--", "sh", "-c", trap) as person:
        person.sees(b"ready")
        person.types(b"\x03")
        person.sees(b"interrupted")
        assert person.sees_the_end() == 9
    with cli.person("run", "--", "sh", "-c", "echo ready; exec sleep 60") as person:
        person.sees(b"ready")
        person.types(b"\x03")
        assert person.sees_the_end() == 130


def test_a_second_ctrl_c_kills(cli: Cli) -> None:
    trap = "trap 'echo once' INT; echo ready; while :; do sleep 1; done"
    with cli.person("run", "--", "sh", "-c", trap) as person:
        person.sees(b"ready")
        person.types(b"\x03")
        person.sees(b"once")
        person.types(b"\x03")
        assert person.sees_the_end() == 137


def test_sigterm_is_passed_on(cli: Cli) -> None:
    with cli.start(
        "run", "--", "sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 1; done"
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 5


def test_programs_are_told_in_json(cli: Cli) -> None:
    done = cli.run("run", "--json", "--", "sh", "-c", r"printf '\377\033'; exit 3")
    assert done.returncode == 3
    assert all(byte == 10 or 32 <= byte < 127 for byte in done.stdout)
    started, *pieces, ended = [json.loads(line) for line in done.stdout.splitlines()]
    assert started["type"] == "started"
    assert b"".join(base64.b64decode(piece["data"]) for piece in pieces) == b"\xff\x1b"
    assert (ended["type"], ended["exit_code"], ended["verdict"]["kind"]) == ("ended", 3, "exited")
    assert ended["process_id"] == started["process_id"]


def test_a_sandbox_is_made_for_one_command_and_removed(alone: Cli, place: Path) -> None:
    data = random.Random(8).randbytes(MEBIBYTE)
    done = alone.run("run", "--memory", "256Mi", "--", "cat", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data
    assert list(place.iterdir()) == []


def test_what_is_made_for_one_command_ends_with_ctrl_c(alone: Cli, place: Path) -> None:
    with alone.person("run", "--", "sh", "-c", "echo ready; exec sleep 60") as person:
        person.sees(b"ready")
        person.types(b"\x03")
        assert person.sees_the_end() == 130
    assert list(place.iterdir()) == []


def test_what_is_made_for_one_command_cannot_keep_another(alone: Cli) -> None:
    done = alone.run("run", "--detach", "--", "true")
    assert done.returncode == 255
    assert b"--url" in done.stderr


def test_an_option_that_comes_too_late_is_refused(cli: Cli) -> None:
    done = cli.run("run", "--memory", "1Gi", "--", "true")
    assert done.returncode == 255
    assert done.stderr.startswith(b"kubebox: not-supported: ")


@pytest.mark.parametrize(
    ("closed", "shown"), [("<&-", (b"0\n", b"")), (">&-", (b"", b"")), ("2>&-", (b"0\n", b""))]
)
def test_streams_that_were_closed_are_empty(cli: Cli, closed: str, shown: tuple[bytes, bytes]) -> None:
    shell = ["sh", "-c", f'"$0" run -- wc -c {closed}', KUBEBOX]
    done = subprocess.run(
        shell, env=cli.variables, capture_output=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
    )
    assert (done.stdout, done.stderr) == shown
    assert done.returncode == 0
