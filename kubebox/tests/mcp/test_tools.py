"""Every tool, over real pipes."""

import base64
import json
from typing import Any

import pytest
from httpx2 import AsyncClient

from .servers import Guest


async def test_every_tool_says_what_it_takes_and_gives(guest: Guest) -> None:
    tools = (await guest.client.list_tools()).tools
    names = [tool.name for tool in tools]
    assert names[:6] == [
        "create_sandbox",
        "list_sandboxes",
        "kill_sandbox",
        "run_command",
        "start_process",
        "list_processes",
    ]
    for tool in tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        for name, argument in tool.input_schema["properties"].items():
            assert "description" in argument or name in {"content"}, (tool.name, name)
    assert guest.client.instructions is not None
    assert "create_sandbox" in guest.client.instructions


async def test_a_command_tells_its_output_and_its_exit_code(guest: Guest, sandbox: str) -> None:
    told = await guest.get(
        "run_command",
        sandbox_id=sandbox,
        command='cat; echo "$NAME" >&2; pwd; exit 3',
        stdin="in\n",
        env={"NAME": "value"},
        path="/workspace",
    )
    assert (told["exit_code"], told["ended"]) == (3, "exited")
    assert (told["stdout"], told["stderr"]) == ("in\n/workspace\n", "value\n")
    assert (told["truncated"], told["binary"], told["output_bytes"]) == (False, False, 20)


async def test_text_and_structured_content_are_the_same(guest: Guest, sandbox: str) -> None:
    result = await guest.call("run_command", sandbox_id=sandbox, command="echo hello")
    (content,) = result.content
    assert content.type == "text"
    assert json.loads(content.text) == result.structured_content


async def test_a_command_that_runs_out_of_time_is_ended_and_keeps_its_output(
    guest: Guest, sandbox: str
) -> None:
    told = await guest.get(
        "run_command", sandbox_id=sandbox, command="echo begun; sleep 600", timeout_seconds=0.5
    )
    assert (told["ended"], told["stdout"]) == ("timed-out", "begun\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"command": ""}, "command-empty", ""),
        ({"command": "true", "path": "../.."}, "path-outside", ""),
        ({"command": "true", "path": "nowhere"}, "file-not-found", "nowhere"),
        ({"command": "true", "sandbox_id": "nothing"}, "sandbox-not-found", "list_sandboxes"),
        ({"command": "true", "timeout_seconds": -1}, "invalid-argument", "timeout_seconds"),
        ({"command": "true", "timeout": 5}, "invalid-argument", "timeout"),
        ({}, "invalid-argument", "command"),
    ],
)
async def test_what_cannot_be_run_is_a_typed_error(
    guest: Guest, sandbox: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    error = await guest.error("run_command", **{"sandbox_id": sandbox, **arguments})
    assert error["code"] == code
    assert words in error["message"]


async def test_a_file_is_written_read_edited_and_listed(guest: Guest, sandbox: str) -> None:
    written = await guest.get("write_file", sandbox_id=sandbox, path="src/a.txt", content="one\ntwo\nthree\n")
    assert written == {"path": "src/a.txt", "size": 14}
    edited = await guest.get(
        "edit_file", sandbox_id=sandbox, path="src/a.txt", old_text="two", new_text="zwei"
    )
    assert edited == {"path": "src/a.txt", "size": 15, "replaced": 1}
    appended = await guest.get(
        "write_file", sandbox_id=sandbox, path="src/a.txt", content="four", append=True
    )
    assert appended["size"] == 19
    told = await guest.get("read_file", sandbox_id=sandbox, path="/workspace/src/a.txt")
    assert told["content"] == "one\nzwei\nthree\nfour"
    assert (told["lines"], told["total_lines"], told["next_line"]) == (4, 4, None)
    listed = await guest.get("list_files", sandbox_id=sandbox, recursive=True, patterns=["a.txt$"])
    assert listed["entries"] == [{"path": "src/a.txt", "type": "file", "size": 19}]
    top = await guest.get("list_files", sandbox_id=sandbox)
    assert {"src"} <= {entry["path"] for entry in top["entries"]}
    assert not [entry for entry in top["entries"] if "/" in entry["path"]]


async def test_an_edit_that_does_not_fit_changes_nothing(guest: Guest, sandbox: str) -> None:
    await guest.get("write_file", sandbox_id=sandbox, path="b.txt", content="x x")
    error = await guest.error("edit_file", sandbox_id=sandbox, path="b.txt", old_text="x", new_text="y")
    assert (error["code"], error["data"]["found"]) == ("edit-mismatch", 2)
    assert (await guest.get("read_file", sandbox_id=sandbox, path="b.txt"))["content"] == "x x"
    both = await guest.get(
        "edit_file", sandbox_id=sandbox, path="b.txt", old_text="x", new_text="y", expected_count=None
    )
    assert both["replaced"] == 2


async def test_a_long_file_comes_in_parts(guest: Guest, sandbox: str) -> None:
    await guest.get("run_command", sandbox_id=sandbox, command="seq 1 100000 > long.txt")
    lines, next_line, parts = list[str](), 1, 0
    while next_line is not None:
        told = await guest.get(
            "read_file", sandbox_id=sandbox, path="long.txt", start_line=next_line, max_lines=60_000
        )
        assert len(told["content"].encode()) <= 64 * 1024
        lines += told["content"].splitlines()
        next_line, parts = told["next_line"], parts + 1
    assert lines == [str(number) for number in range(1, 100_001)]
    assert parts > 5


async def test_a_line_that_is_too_long_is_cut_and_said_to_be(guest: Guest, sandbox: str) -> None:
    await guest.get("run_command", sandbox_id=sandbox, command="printf '%0100000d\\nnext\\n' 7 > wide.txt")
    told = await guest.get("read_file", sandbox_id=sandbox, path="wide.txt")
    assert (told["cut"], told["lines"], told["next_line"]) == (True, 1, 2)
    rest = await guest.get("read_file", sandbox_id=sandbox, path="wide.txt", start_line=2)
    assert (rest["content"], rest["cut"]) == ("next\n", False)


async def test_a_file_that_is_no_text_comes_as_base64_alone(guest: Guest, sandbox: str) -> None:
    data = bytes(range(256))
    await guest.get(
        "write_file",
        sandbox_id=sandbox,
        path="data.bin",
        content=base64.b64encode(data).decode(),
        encoding="base64",
    )
    assert (await guest.error("read_file", sandbox_id=sandbox, path="data.bin"))["code"] == "file-not-text"
    told = await guest.get("read_file", sandbox_id=sandbox, path="data.bin", encoding="base64")
    assert base64.b64decode(told["content"]) == data


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("read_file", {"path": "missing"}, "file-not-found"),
        ("read_file", {"path": "../../etc/passwd"}, "path-outside"),
        ("read_file", {"path": "folder"}, "is-a-directory"),
        ("read_file", {"path": "one.txt", "start_line": 9}, "invalid-argument"),
        ("read_file", {"path": "huge"}, "payload-too-large"),
        ("write_file", {"path": "x", "content": "%", "encoding": "base64"}, "invalid-argument"),
        ("list_files", {"path": "missing"}, "file-not-found"),
        ("list_files", {"patterns": ["("]}, "regex-invalid"),
    ],
)
async def test_what_files_do_not_allow_is_a_typed_error(
    guest: Guest, sandbox: str, tool: str, arguments: dict[str, Any], code: str
) -> None:
    await guest.get(
        "run_command", sandbox_id=sandbox, command="mkdir -p folder; echo 1 > one.txt; truncate -s 17M huge"
    )
    assert (await guest.error(tool, sandbox_id=sandbox, **arguments))["code"] == code


async def test_a_process_is_started_read_fed_and_stopped(guest: Guest, sandbox: str) -> None:
    started = await guest.get(
        "start_process",
        sandbox_id=sandbox,
        command='while read -r line; do echo "got $line"; echo "err" >&2; done; echo done',
        open_stdin=True,
    )
    process = {"sandbox_id": sandbox, "process_id": started["process_id"]}
    empty = await guest.get("read_output", **process)
    assert (empty["pieces"], empty["next_offset"], empty["state"]) == ([], 0, "running")
    await guest.get("send_input", **process, text="one\n")
    page = await guest.get("read_output", **process, wait_seconds=20)
    assert page["pieces"][0] == {"stream": "stdout", "text": "got one\n"}
    await guest.get("send_input", **process, close=True)
    told = await read_to_the_end(guest, process, page["next_offset"])
    assert told["text"].endswith("done\n")
    assert (told["state"], told["exit_code"]) == ("ended", 0)
    assert (await guest.error("send_input", **process, text="more"))["code"] == "input-closed"


async def test_a_process_that_is_stopped_says_so(guest: Guest, sandbox: str) -> None:
    started = await guest.get("start_process", sandbox_id=sandbox, command="echo up; sleep 600")
    process = {"sandbox_id": sandbox, "process_id": started["process_id"]}
    await guest.get("read_output", **process, wait_seconds=20)
    listed = await guest.get("list_processes", sandbox_id=sandbox)
    assert listed["processes"][-1]["state"] == "running"
    stopped = await guest.get("stop_process", **process)
    assert (stopped["ended"], stopped["exit_code"]) == ("killed", -15)
    page = await guest.get("read_output", **process)
    assert (page["pieces"][0]["text"], page["state"], page["exit_code"]) == ("up\n", "ended", -15)
    listed = await guest.get("list_processes", sandbox_id=sandbox)
    assert listed["processes"][-1]["state"] == "ended"


async def test_waiting_for_output_ends_in_time(guest: Guest, sandbox: str) -> None:
    started = await guest.get("start_process", sandbox_id=sandbox, command="sleep 600")
    process = {"sandbox_id": sandbox, "process_id": started["process_id"]}
    page = await guest.get("read_output", **process, wait_seconds=0.3)
    assert (page["pieces"], page["state"]) == ([], "running")
    await guest.get("stop_process", **process, grace_seconds=0)


async def test_a_process_that_is_not_there_is_a_typed_error(guest: Guest, sandbox: str) -> None:
    known = "00000000-0000-4000-8000-000000000000"
    for tool in ("read_output", "stop_process"):
        assert (await guest.error(tool, sandbox_id=sandbox, process_id=known))[
            "code"
        ] == "execution-not-found"
        assert (await guest.error(tool, sandbox_id=sandbox, process_id="x"))["code"] == "invalid-argument"


async def read_to_the_end(guest: Guest, process: dict[str, str], offset: int) -> dict[str, Any]:
    text, page = "", dict[str, Any]()
    while page.get("state") != "ended" or page["more"]:
        page = await guest.get("read_output", **process, offset=offset, wait_seconds=20)
        text += "".join(piece["text"] for piece in page["pieces"])
        offset = page["next_offset"]
    return {**page, "text": text}


async def test_a_port_of_a_sandbox_is_reached_from_outside(guest: Guest, sandbox: str) -> None:
    await guest.get(
        "start_process",
        sandbox_id=sandbox,
        command="echo hello > index.html; python3 -m http.server 8123 --bind 127.0.0.1",
    )
    told = await guest.get("open_port", sandbox_id=sandbox, port=8123, wait_seconds=20)
    async with AsyncClient() as client:
        answer = await client.get(f"{told['url'].rstrip('/')}/index.html")
    assert answer.text == "hello\n"
