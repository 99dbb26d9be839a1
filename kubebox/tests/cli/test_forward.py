"""`kubebox forward`: ports of a sandbox, for as long as the command runs."""

import json
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.command_line import PATIENCE, Cli

from ..conftest import Server


@pytest.fixture
def answering() -> Iterator[int]:
    """A web server of the workspace, which has the machine's own network in these tests."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = server.accept()
                    with accepted:
                        accepted.recv(65536)
                        accepted.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read()


def test_a_url_is_printed_and_works_until_ctrl_c(cli: Cli, answering: int) -> None:
    with cli.person("forward", str(answering)) as person:
        person.sees(b"http://")
        url = "http://" + person.sees(b"\r\n").decode()
        assert url.startswith("http://127.0.0.1:")
        assert fetched(url) == fetched(url) == b"hello"
        person.types(b"\x03")
        assert person.sees_the_end() == 130
        assert person.restored
        assert b"Traceback" not in person.seen
    with pytest.raises(OSError, match="refused"):
        fetched(url)


def test_several_ports_in_order_for_programs(cli: Cli, answering: int, unused_port: int) -> None:
    with cli.start("forward", "--json", f"{unused_port}:{answering}", str(answering)) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        assert first == {
            "port": answering,
            "local_port": unused_port,
            "url": f"http://127.0.0.1:{unused_port}",
        }
        assert fetched(first["url"]) == fetched(second["url"]) == b"hello"
        process.send_signal(signal.SIGTERM)
        out, told = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, told) == (128 + signal.SIGTERM, b"", b"")


def test_a_port_on_which_nothing_listens_is_told_and_the_command_goes_on(
    cli: Cli, answering: int, unused_port: int
) -> None:
    with cli.start("forward", str(unused_port), str(answering)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        closed, fine = (process.stdout.readline().decode().strip() for _ in range(2))
        with pytest.raises(OSError, match="reset"):
            fetched(closed)
        assert process.stderr.readline().startswith(b"kubebox: port-closed: ")
        assert fetched(fine) == b"hello"


def test_what_cannot_be_is_said_in_one_line(cli: Cli, answering: int) -> None:
    for arguments in ([], ["x"], ["1:2:3"], ["0"], ["65536"], ["70000:80"], [f"{answering}:80"], ["80", "x"]):
        done = cli.run("forward", *arguments)
        assert done.returncode == 255, arguments
        expected = b"local-port-error" if arguments == [f"{answering}:80"] else b"invalid-argument"
        assert done.stderr.startswith(b"kubebox: " + expected + b": ")
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == b""


def test_it_needs_a_sandbox_that_is_there(alone: Cli) -> None:
    done = alone.run("forward", "80")
    assert done.returncode == 255
    assert done.stderr.startswith(b"kubebox: configuration-error: say which sandbox")


def test_it_goes_on_over_a_restart_of_the_server(own_server: Server, cli: Cli, answering: int) -> None:
    again = Cli(
        {**cli.variables, "KUBEBOX_URL": own_server.url, "KUBEBOX_PRIVATE_KEY": own_server.private_key}
    )
    with again.start("forward", str(answering)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert fetched(url) == b"hello"
        own_server.stop()
        own_server.start()
        began = time.monotonic()
        assert fetched(url) == b"hello"
        assert time.monotonic() - began < PATIENCE
        assert process.poll() is None
