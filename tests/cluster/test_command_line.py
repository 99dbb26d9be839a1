"""`kubebox` at the command line, with sandboxes of a cluster: made, found by name, used, ended."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from kubebox_protocol.keys import new_private_key
from tests.cluster.places import READY_SECONDS
from tests.command_line import KUBEBOX, PATIENCE, Cli


@pytest.fixture(scope="module")
def cli(kubeconfig: Path, restricted: str, images: object, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command, of somebody with a key and a folder of settings of their own."""
    settings = tmp_path_factory.mktemp("settings")
    return Cli(
        {
            "KUBEBOX_CONFIG": str(kubeconfig),
            "KUBEBOX_NAMESPACE": restricted,
            "KUBEBOX_PRIVATE_KEY": new_private_key(),
            "XDG_CONFIG_HOME": str(settings),
            **{name: os.environ[name] for name in ("KUBEBOX_IMAGE",) if name in os.environ},
        }
    )


@pytest.fixture(scope="module")
def box(cli: Cli) -> Iterator[str]:
    """A sandbox that `kubebox create` made, and `kubebox kill` ends."""
    (made,) = cli.json("create", "--timeout", str(READY_SECONDS), "--lifetime", "600")
    yield made["name"]
    assert cli.run("kill", made["name"]).returncode == 0
    assert made["name"] not in living(cli)


def living(cli: Cli) -> list[str]:
    """Names of sandboxes that have not ended: what is left of one that has takes a moment to go."""
    return [one["name"] for one in cli.json("list") if one["state"] != "ended"]


def test_it_is_listed_and_runs_commands_whose_bytes_and_codes_go_through(cli: Cli, box: str) -> None:
    assert box in living(cli)
    content = os.urandom(300_000)
    done = cli.run("run", "--name", box, "--", "sh", "-c", "cat; echo err >&2; exit 7", stdin=content)
    assert (done.returncode, done.stdout, done.stderr) == (7, content, b"err\n")


def test_files_and_folders_go_there_and_come_back(cli: Cli, box: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "sub").mkdir(parents=True)
    (mine / "sub/file").write_bytes(os.urandom(1_000_000))
    assert cli.run("cp", str(mine), f"{box}:folder").returncode == 0
    assert cli.run("cp", f"{box}:folder", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back/sub/file").read_bytes() == (mine / "sub/file").read_bytes()
    assert "folder" in [entry["path"] for entry in cli.json("ls", "--name", box)]


def test_what_runs_in_the_background_is_shown_and_stopped(cli: Cli, box: str) -> None:
    process = cli.line("run", "--name", box, "--detach", "--", "sh", "-c", "echo on; exec sleep 600")
    assert process in [one["process_id"] for one in cli.json("ps", "--name", box)]
    with cli.start("logs", "--name", box, "-f", process) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == b"on\n"
        assert cli.run("stop", "--name", box, process).returncode == 0
        logs.wait(PATIENCE)


def test_a_terminal_there_is_like_one_here(cli: Cli, box: str) -> None:
    with cli.person("shell", "--name", box, rows=30, columns=99) as person:
        person.sees_a_prompt()
        person.types(b"stty size\r")
        person.sees(b"30 99")
        person.resizes(31, 98)
        person.types(b"sleep 600\r\x03")
        person.sees(b"^C")
        person.types(b"stty size; exit 3\r")
        person.sees(b"31 98")
        assert person.sees_the_end() == 3
        assert person.restored


def test_a_port_there_answers_here(cli: Cli, box: str) -> None:
    serve = "echo hello > page; exec python3 -m http.server 8123 --bind 127.0.0.1"
    cli.line("run", "--name", box, "--detach", "--", "sh", "-c", serve)
    wait = "until curl -sf http://127.0.0.1:8123/page; do :; done"
    assert cli.run("run", "--name", box, "--", "sh", "-c", wait).returncode == 0
    with cli.start("forward", "--name", box, "--json", "8123") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/page", timeout=PATIENCE) as answer:
            assert answer.read() == b"hello\n"
        process.terminate()
        assert process.wait(PATIENCE) == 143


async def test_a_model_gets_sandboxes_of_the_cluster(cli: Cli) -> None:
    """`kubebox mcp`, and the official client: what it makes ends with it."""
    server = StdioServerParameters(command=KUBEBOX, args=["mcp"], env=cli.variables)
    async with Client(stdio_client(server)) as client:
        made = await client.call_tool("create_sandbox", {}, read_timeout_seconds=READY_SECONDS)
        assert made.structured_content is not None, made
        sandbox = made.structured_content["sandbox_id"]
        ran = await client.call_tool("run_command", {"sandbox_id": sandbox, "command": "expr 2 \\* 3"})
        assert ran.structured_content is not None, ran
        assert (ran.structured_content["stdout"], ran.structured_content["exit_code"]) == ("6\n", 0)
    assert sandbox not in living(cli)
