"""Clients over HTTP: none sees what another has, and nobody gets in who should not."""

import signal

import anyio
import pytest
from httpx2 import AsyncClient, Client, HTTPStatusError

from tests.command_line import Cli

from .servers import HELLO, TOKEN, Mcp, calling

ACCEPT = {"accept": "application/json, text/event-stream"}


async def test_two_clients_do_not_see_each_others_sandboxes(mcp: Mcp) -> None:
    with mcp.http() as server:
        async with server.client() as first, server.client(mode="legacy") as second:
            mine, yours = await first.create(), await second.create()
            assert (await first.sandboxes(), await second.sandboxes()) == ([mine], [yours])
            for tool, arguments in (
                ("run_command", {"command": "true"}),
                ("read_file", {"path": "a"}),
                ("kill_sandbox", {}),
            ):
                error = await second.error(tool, sandbox_id=mine, **arguments)
                assert error["code"] == "sandbox-not-found"
            assert (await first.get("run_command", sandbox_id=mine, command="echo 1"))["stdout"] == "1\n"
    await mcp.becomes_empty()


async def test_a_client_that_says_goodbye_takes_its_sandboxes_along(mcp: Mcp) -> None:
    with mcp.http() as server:
        async with server.client() as stays:
            kept = await stays.create()
            async with server.client() as leaves:
                gone = await leaves.create()
            await until_gone(mcp, gone)
            assert (await stays.get("run_command", sandbox_id=kept, command="echo 1"))["stdout"] == "1\n"
        assert server.end() == 128 + signal.SIGTERM
        assert mcp.is_empty


async def test_a_client_that_is_silent_for_too_long_is_taken_to_have_left(mcp: Mcp) -> None:
    with mcp.http("--idle", "1") as server:
        async with server.client(polite=False) as guest:
            await guest.create()
            assert not mcp.is_empty
        await mcp.becomes_empty()


async def test_a_call_that_is_cancelled_kills_its_command(mcp: Mcp) -> None:
    with mcp.http() as server:
        async with server.client() as guest:
            sandbox = await guest.create()
            assert (await guest.give_up(sandbox, "sleep 600"))["exit_code"] == -15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_server_and_all_sandboxes(mcp: Mcp, number: int) -> None:
    with mcp.http() as server:
        async with AsyncClient(headers=ACCEPT, timeout=60) as client:
            hello = await client.post(server.url, json=HELLO)
            session = {"mcp-session-id": hello.headers["mcp-session-id"]}
            asked = calling("create_sandbox")
            answer = await client.post(server.url, json=asked, headers=session)
            assert "sandbox_id" in answer.text
            assert not mcp.is_empty
            async with client.stream("GET", server.url, headers=session) as listening:  # as real clients do
                assert listening.status_code == 200
                assert await anyio.to_thread.run_sync(server.end, number) in (128 + number, -number)
    assert mcp.is_empty
    assert mcp.log == ""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:80"}, 421),
        ({"host": "127.0.0.1.evil.example:80"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"content-type": "text/plain"}, 400),
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_web_page_is_refused(mcp: Mcp, headers: dict[str, str], status: int, version: str) -> None:
    with mcp.http() as server, Client() as client:
        answer = client.post(
            server.url,
            json=HELLO,
            headers={
                **ACCEPT,
                "content-type": "application/json",
                "mcp-protocol-version": version,
                **headers,
            },
        )
        assert answer.status_code == status
        assert "mcp-session-id" not in answer.headers


async def test_without_a_session_nothing_can_be_asked(mcp: Mcp) -> None:
    with mcp.http() as server, Client(headers=ACCEPT) as client:
        asked = calling("list_sandboxes")
        assert client.post(server.url, json=asked).status_code == 400
        made_up = client.post(server.url, json=asked, headers={"mcp-session-id": "0" * 32})
        assert made_up.status_code == 404


async def test_with_a_token_nobody_gets_in_without_it(mcp: Mcp) -> None:
    with mcp.http(KUBEBOX_MCP_TOKEN=TOKEN) as server:
        with Client(headers=ACCEPT) as client:
            for given in (
                {},
                {"authorization": "Bearer x"},
                {"authorization": TOKEN},
                {"authorization": f"Basic {TOKEN}"},
            ):
                answer = client.post(server.url, json=HELLO, headers=given)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        async with server.client(TOKEN) as guest:
            assert await guest.sandboxes() == []
        with pytest.raises(ExceptionGroup) as refused:
            async with server.client("wrong"):
                pass
        assert refused.group_contains(HTTPStatusError) or refused.value


@pytest.mark.parametrize(
    ("flags", "variables", "words"),
    [
        (["--host", "0.0.0.0"], {}, "KUBEBOX_MCP_TOKEN"),
        (["--host", "::"], {}, "KUBEBOX_MCP_TOKEN"),
        (["--host", "some.example"], {}, "KUBEBOX_MCP_TOKEN"),
        (["--host", "0.0.0.0"], {"KUBEBOX_MCP_TOKEN": TOKEN}, "--allow-host"),
        ([], {"KUBEBOX_MCP_TOKEN": "short"}, "16 characters"),
        (["--idle", "0"], {}, "--idle"),
        (["--port", "70000"], {}, "--port"),
        (["--max-sandboxes", "0"], {}, "--max-sandboxes"),
        (["--host", "192.0.2.1"], {"KUBEBOX_MCP_TOKEN": TOKEN}, "cannot listen"),
    ],
)
def test_it_does_not_listen_where_it_would_be_open(
    mcp: Mcp, flags: list[str], variables: dict[str, str], words: str
) -> None:
    done = Cli(mcp.variables | variables).run("mcp", "--http", *flags)
    assert done.returncode == 255
    assert words in done.stderr.decode()
    assert done.stdout == b""


async def test_elsewhere_it_listens_with_a_token_under_the_names_it_is_given(mcp: Mcp) -> None:
    with mcp.http("--host", "0.0.0.0", "--allow-host", "box.example", KUBEBOX_MCP_TOKEN=TOKEN) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        with Client(headers={**ACCEPT, "authorization": f"Bearer {TOKEN}"}) as client:
            named = client.post(url, json=HELLO, headers={"host": "box.example:1234"})
            assert named.status_code == 200
            assert client.post(url, json=HELLO).status_code == 421


async def until_gone(mcp: Mcp, sandbox_id: str) -> None:
    with anyio.fail_after(20):
        while any(sandbox_id in path.name for path in mcp.place.iterdir()):
            await anyio.lowlevel.checkpoint()
