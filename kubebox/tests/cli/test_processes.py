"""`kubebox run --detach`, `ps`, `logs` and `stop`: commands that go on by themselves."""

import json
import random
from uuid import uuid4

import pytest

from tests.command_line import PATIENCE, Cli

from ..conftest import Server


@pytest.fixture
def session() -> str:
    return f"session-{uuid4()}"


def test_a_command_is_left_listed_read_and_ended(cli: Cli, session: str) -> None:
    process_id = cli.line("run", "--detach", "--session", session, "--", "sh", "-c", "echo on; exec sleep 60")
    (record,) = cli.json("ps", "--session", session)
    assert (record["process_id"], record["state"], record["session_id"]) == (process_id, "running", session)
    assert process_id.encode() in cli.run("ps").stdout  # of all sessions, where none is named
    with cli.start("logs", "-f", process_id) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"on\n"
        assert cli.run("logs", process_id).stdout == b"on\n"  # all that is there, without waiting for more
        (stopped,) = cli.json("stop", process_id, "--grace", "1")
        assert stopped["verdict"]["kind"] == "killed"
        assert following.wait(PATIENCE) == 0
    assert cli.json("ps", "--session", session) == []
    (record,) = cli.json("ps", "--all", "--session", session)
    assert (record["verdict"], record["end_offset"]) == ("killed", 3)


def test_logs_are_exact_from_any_offset(cli: Cli) -> None:
    data = random.Random(9).randbytes(3 * 1024 * 1024)
    ended = cli.run("run", "--json", "--", "cat", stdin=data)
    process_id = json.loads(ended.stdout.splitlines()[0])["process_id"]
    assert cli.run("logs", process_id).stdout == data
    assert cli.run("logs", "--offset", "1234567", "-f", process_id).stdout == data[1234567:]
    done = cli.run("logs", "--offset", str(len(data) + 1), process_id)
    assert done.returncode == 255
    assert done.stderr.startswith(b"kubebox: offset-beyond-end: ")


def test_logs_keep_the_streams_apart(cli: Cli) -> None:
    process_id = cli.line("run", "--detach", "--", "sh", "-c", "printf out; printf err >&2")
    done = cli.run("logs", "-f", process_id)
    assert (done.stdout, done.stderr) == (b"out", b"err")
    *pieces, ended = cli.json("logs", "-f", process_id)
    assert {piece["type"]: piece["text"] for piece in pieces} == {"stdout": "out", "stderr": "err"}
    assert (ended["type"], ended["exit_code"]) == ("ended", 0)


def test_a_signal_is_sent_and_nothing_ended(cli: Cli) -> None:
    program = "trap 'echo got' USR1; echo ready; while :; do sleep 1; done"
    process_id = cli.line("run", "--detach", "--", "sh", "-c", program)
    with cli.start("logs", "-f", process_id) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"ready\n"
        (sent,) = cli.json("stop", "--signal", "USR1", process_id)
        assert sent["signalled"] >= 1
        assert following.stdout.readline() == b"got\n"
        assert cli.run("stop", process_id).returncode == 0
        following.communicate(timeout=PATIENCE)


def test_what_is_not_there_is_said_in_one_line(cli: Cli) -> None:
    for arguments in (["logs", str(uuid4())], ["stop", str(uuid4())]):
        done = cli.run(*arguments)
        assert done.returncode == 255
        assert done.stderr.startswith(b"kubebox: execution-not-found: ")
        assert len(done.stderr.splitlines()) == 1
    assert cli.run("logs", "nonsense").stderr.startswith(b"kubebox: invalid-argument: ")


def test_a_hostile_command_does_nothing_to_the_table(cli: Cli, session: str) -> None:
    name = "\x1b]0;title\x07\u202egnp\n\x9b31m"
    assert cli.run("run", "--session", session, "--", "true", name).returncode == 0
    shown = cli.run("ps", "--all", "--session", session).stdout.decode()
    assert len(shown.splitlines()) == 2
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert r"\x1b]0;title\x07\u202egnp\n\x9b31m" in shown.replace("\\\\", "\\")


def test_commands_of_other_programs_are_found(cli: Cli, server: Server, session: str) -> None:
    process_id = cli.line("run", "--detach", "--session", session, "--", "echo", "other")
    assert cli.run("logs", "-f", process_id).stdout == b"other\n"
    done = cli.run("logs", "--session", "another", process_id)
    assert done.returncode == 255
