"""Commands: their modes, their output, their end."""

import os
import pwd
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest

from kubebox_protocol import events
from kubebox_sandbox.executions import ends
from kubebox_sandbox.executions.journal import FREE_BYTES, MAX_PIECE_BYTES

from .conftest import Client, Sandbox, eventually

MEBIBYTE = 1 << 20


async def test_streams_codes_and_order(sandbox: Sandbox) -> None:
    result = await sandbox.run("echo out; echo err >&2; exit 3")
    assert (result["stdout"], result["stderr"]) == (b"out\n", b"err\n")
    assert result["verdict"]["kind"] == "exited"
    assert result["verdict"]["exit_code"] == 3
    assert result["state"] == "ended"


async def test_binary_output_is_exact(sandbox: Sandbox) -> None:
    content = os.urandom(3 * MEBIBYTE)
    (sandbox.workspace / "blob").write_bytes(content)
    result = await sandbox.run("cat blob")
    assert result["stdout"] == content


async def test_no_newline_invalid_utf8_and_nul(sandbox: Sandbox) -> None:
    result = await sandbox.run(r"printf 'a\0\xff\xc3'")
    assert result["output"] == b"a\0\xff\xc3"


async def test_a_list_runs_without_a_shell(sandbox: Sandbox) -> None:
    result = await sandbox.run(["printf", "%s", "$HOME; exit 1"])
    assert result["stdout"] == b"$HOME; exit 1"


async def test_the_shell_is_bash_and_keeps_its_extensions(sandbox: Sandbox) -> None:
    result = await sandbox.run('cat <(echo "$BASH_VERSION")')
    assert result["stdout"].strip()


@pytest.mark.parametrize("mode", ["stream", "wait", "background"])
async def test_modes(client: Client, mode: str) -> None:
    started = await client.start("echo hello", credit=MEBIBYTE if mode == "stream" else 0, mode=mode)
    ended = await client.wait_for(events.ENDED, started)
    assert ended["execution"]["mode"] == mode
    chunks: list[dict[str, Any]] = ended["output"] or []
    inline = b"".join(chunk["data"] for chunk in chunks)
    assert client.output(started) + inline == b"hello\n"


async def test_several_at_once(client: Client) -> None:
    started = [await client.start(f"read line; echo $line-{number}", stdin=b"x\n") for number in range(20)]
    for number, each in enumerate(started):
        ended = await client.wait_for(events.ENDED, each)
        assert ended["output"][0]["data"] == f"x-{number}\n".encode()


async def test_folder_environment_and_stdin(sandbox: Sandbox) -> None:
    (sandbox.workspace / "sub").mkdir()
    await sandbox.session("other", "elsewhere", env={"A": "session", "B": "session"})
    (sandbox.workspace / "elsewhere" / "deep").mkdir()
    result = await sandbox.run(
        "pwd; echo $A $B; cat", "other", path="deep", env={"B": "command"}, stdin="aGk="
    )
    assert result["stdout"].decode() == f"{sandbox.workspace}/elsewhere/deep\nsession command\nhi"


async def test_large_stdin_to_one_that_does_not_read(sandbox: Sandbox) -> None:
    import base64

    content = base64.b64encode(b"x" * MEBIBYTE).decode()
    assert (await sandbox.run("wc -c", stdin=content))["stdout"] == b"1048576\n"
    assert (await sandbox.run("true", stdin=content))["verdict"]["exit_code"] == 0


async def test_a_large_request_goes_in_a_memfd(sandbox: Sandbox) -> None:
    env = {f"NAME_{number}": "x" * 1000 for number in range(200)}
    result = await sandbox.run("env | grep -c ^NAME_", env=env)
    assert result["stdout"] == b"200\n"


async def test_no_stdin_is_an_end_of_file(sandbox: Sandbox) -> None:
    assert (await sandbox.run("cat; echo done"))["stdout"] == b"done\n"


async def test_only_three_descriptors(sandbox: Sandbox) -> None:
    result = await sandbox.run(["ls", "/proc/self/fd"])
    assert result["stdout"].split() == [b"0", b"1", b"2", b"3"]  # The last is ls's own, of the folder.


async def test_the_servers_environment_does_not_reach_commands(sandbox: Sandbox) -> None:
    assert b"KUBEBOX" not in (await sandbox.run("env"))["stdout"]


async def test_signals_show_in_the_verdict(sandbox: Sandbox) -> None:
    verdict = (await sandbox.run("kill -SEGV $$"))["verdict"]
    assert (verdict["kind"], verdict["exit_code"], verdict["signal"]) == ("signalled", -11, "SIGSEGV")


async def test_timeout_ends_the_tree_and_keeps_the_output(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ends, "TIMEOUT_GRACE_SECONDS", 15
    )  # which the end, and what is told of it, does not wait for
    result = await sandbox.run("echo before; (trap '' TERM; sleep 100) & wait", timeout=0.3)
    assert result["stdout"] == b"before\n"
    assert (result["verdict"]["kind"], result["verdict"]["by"]) == ("timed-out", "timeout")
    assert result["duration"] < 10


async def test_kill_of_one_that_ignores_sigterm(sandbox: Sandbox) -> None:
    started = await sandbox.start("trap '' TERM; setsid sleep 100 & echo up; while :; do sleep 1; done")
    await _first_output(sandbox, started["execution_id"])
    path = f"/v1/sessions/main/executions/{started['execution_id']}/kill"
    answer = (await sandbox.request("POST", path, json={"grace": 0.2})).json()
    assert answer.get("survivors") == 0, answer
    verdict = answer["execution"]["verdict"]
    assert (verdict["kind"], verdict["signal"], verdict["by"]) == ("killed", "SIGKILL", "client")


async def test_kill_after_the_end_keeps_the_verdict_and_ends_leftovers(sandbox: Sandbox) -> None:
    result = await sandbox.run("sleep 1000 > /dev/null & echo $!")
    path = f"/v1/sessions/main/executions/{result['execution_id']}/kill"
    answer = (await sandbox.request("POST", path, json={})).json()
    assert answer["execution"]["verdict"]["kind"] == "exited"
    assert result["stdout"].decode().strip() not in os.listdir("/proc")


async def test_kill_all_is_about_one_session(sandbox: Sandbox) -> None:
    await sandbox.session("other", "other")
    here = [await sandbox.start("sleep 1000") for _ in range(3)]
    there = await sandbox.start("sleep 1000", "other")
    left = await sandbox.run("nohup sleep 1000 > /dev/null 2>&1 & echo $!")
    answer = (await sandbox.request("POST", "/v1/sessions/main/kill-all")).json()
    assert answer == {"killed": 3, "survivors": 0}
    assert [(await sandbox.end(each["execution_id"]))["verdict"]["kind"] for each in here] == ["killed"] * 3
    assert left["stdout"].decode().strip() not in os.listdir("/proc")
    assert (await _status(sandbox, there["execution_id"], "other"))["state"] == "running"


async def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_end(sandbox: Sandbox) -> None:
    result = await sandbox.run("echo quick; sleep 1000 & exit 7")
    assert (result["stdout"], result["verdict"]["exit_code"]) == (b"quick\n", 7)
    assert result["duration"] < 1


async def test_a_leftover_that_floods_holds_nobody(sandbox: Sandbox) -> None:
    result = await sandbox.run("yes & exit 0")
    assert result["verdict"]["exit_code"] == 0
    assert (await sandbox.run("echo alive"))["stdout"] == b"alive\n"
    assert (await _status(sandbox, result["execution_id"]))["end_offset"] < 4 * MEBIBYTE
    await sandbox.request("POST", "/v1/sessions/main/kill-all")


async def test_leftover_output_is_still_journalled(sandbox: Sandbox) -> None:
    gate = sandbox.workspace / "gate"
    os.mkfifo(gate, 0o666)
    result = await sandbox.run("(cat gate) & echo first")
    assert result["stdout"] == b"first\n"
    gate_descriptor = await anyio.to_thread.run_sync(os.open, gate, os.O_WRONLY)
    os.write(gate_descriptor, b"later\n")
    os.close(gate_descriptor)
    path = f"/v1/sessions/main/executions/{result['execution_id']}/output"

    async def has_both() -> bool:
        return (await sandbox.request("GET", path)).content == b"first\nlater\n"

    await eventually(has_both)


async def test_the_same_id_runs_once(sandbox: Sandbox) -> None:
    execution_id = str(uuid.uuid4())
    answers: list[dict[str, Any]] = []

    async def start() -> None:
        answers.append(await sandbox.start("echo run >> runs", execution_id=execution_id))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(start)
    assert sorted(answer["status"] for answer in answers) == [200] * 9 + [201]
    await sandbox.end(execution_id)
    assert (sandbox.workspace / "runs").read_text() == "run\n"
    other = await sandbox.start("echo other", execution_id=execution_id)
    assert (other["status"], other["code"]) == (409, "execution-conflict")


async def test_an_id_of_a_failed_start_is_free_again(sandbox: Sandbox) -> None:
    execution_id = str(uuid.uuid4())
    for _ in range(2):
        failed = await sandbox.start(["./program"], execution_id=execution_id)
        assert failed["code"] == "program-not-found"
    (sandbox.workspace / "program").write_text("#!/bin/sh\necho now\n")
    (sandbox.workspace / "program").chmod(0o755)
    assert (await sandbox.run(["./program"], execution_id=execution_id))["stdout"] == b"now\n"


@pytest.mark.parametrize(
    ("command", "fields", "code"),
    [
        ("", {}, "command-empty"),
        (" \n", {}, "command-empty"),
        ([], {}, "command-empty"),
        ([""], {}, "command-empty"),
        ("x" * 131_072, {}, "command-too-long"),
        ("true\0", {}, "invalid-request"),
        (["no-such-program"], {}, "program-not-found"),
        (["/etc/passwd"], {}, "program-not-executable"),
        (["/"], {}, "program-not-executable"),
        ("true", {"user": "root"}, "user-unsupported"),
        ("true", {"env": {"A=B": "c"}}, "invalid-request"),
        ("true", {"env": {"": "c"}}, "invalid-request"),
        ("true", {"env": {"A": "c\0"}}, "invalid-request"),
        ("true", {"path": "missing"}, "file-not-found"),
        ("true", {"path": ".."}, "path-outside"),
        ("true", {"path": "/etc"}, "path-outside"),
        ("true", {"timeout": 0}, "invalid-request"),
        ("true", {"timeout": -1}, "invalid-request"),
        ("true", {"timeout": 1e308}, "invalid-request"),
        ("true", {"mode": "loud"}, "invalid-request"),
        ("true", {"tiemout": 1}, "invalid-request"),
        ("true", {"execution_id": "1"}, "invalid-request"),
        (5, {}, "invalid-request"),
    ],
)
async def test_what_cannot_be_started(
    sandbox: Sandbox, command: Any, fields: dict[str, Any], code: str
) -> None:
    answer = await sandbox.start(command, **fields)
    assert answer["code"] == code, answer


async def test_executions_of_another_session_do_not_exist(sandbox: Sandbox) -> None:
    await sandbox.session("other", "other")
    started = await sandbox.start("sleep 1000")
    base = f"/v1/sessions/other/executions/{started['execution_id']}"
    unknown = f"/v1/sessions/other/executions/{uuid.uuid4()}"
    for method, suffix in [("GET", ""), ("GET", "/output"), ("POST", "/kill")]:
        mine = await sandbox.request(method, base + suffix, **({"json": {}} if method == "POST" else {}))
        nobodys = await sandbox.request(
            method, unknown + suffix, **({"json": {}} if method == "POST" else {})
        )
        assert (mine.status_code, mine.json()) == (nobodys.status_code, nobodys.json())
        assert mine.json()["code"] == "execution-not-found"


async def test_too_many_at_once(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["max_executions"] = 2
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        for _ in range(2):
            await sandbox.start("sleep 1000")
        assert (await sandbox.start("true"))["code"] == "too-many-executions"
        await sandbox.request("POST", "/v1/sessions/main/kill-all")
        assert (await sandbox.run("true"))["verdict"]["exit_code"] == 0


async def test_old_records_are_swept_and_their_ids_stay_used(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["kept_executions"] = 2
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        ended = [await sandbox.run(f"seq {number} 9000") for number in range(4)]
        listed = (await sandbox.request("GET", "/v1/sessions/main/executions")).json()["executions"]
        assert [each["execution_id"] for each in listed] == [each["execution_id"] for each in ended[2:]]
        again = await sandbox.start("seq 0 9000", execution_id=ended[0]["execution_id"])
        assert again["code"] == "execution-conflict"
        await eventually(lambda: len(os.listdir(sandbox.state / "journals")) == 2)


@pytest.mark.parametrize("mode", ["wait", "background"])
async def test_a_full_journal_never_blocks_wait_and_background(tmp_path: Path, mode: str) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["journal_bytes"] = MEBIBYTE
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        started = await sandbox.start("seq 1 1000000; echo end", mode=mode)
        ended = await sandbox.end(started["execution_id"])
        assert ended["end_offset"] == 6888900
        assert ended["dropped_bytes"] > 5 * MEBIBYTE
        base = f"/v1/sessions/main/executions/{started['execution_id']}/output"
        head = await sandbox.request("GET", base)
        next_offset = int(head.headers["kubebox-next-offset"])
        assert head.content.startswith(b"1\n2\n3\n")
        assert len(head.content) == next_offset
        expired = (await sandbox.request("GET", f"{base}?offset={next_offset}")).json()
        assert (expired["code"], expired["data"]["first_offset"]) == ("offset-expired", ended["first_offset"])
        tail = await sandbox.request("GET", f"{base}?offset={ended['first_offset']}")
        assert tail.content.endswith(b"1000000\nend\n")
        assert len(head.content) + len(tail.content) + ended["dropped_bytes"] == ended["end_offset"]


async def test_a_full_journal_holds_a_stream_back_until_its_reader_has_it_all(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["journal_bytes"] = MEBIBYTE
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        started = await sandbox.start("seq 1 1000000; echo end", mode="stream")
        held = await _stands_still(sandbox, started["execution_id"])
        assert held["state"] == "running"
        assert held["dropped_bytes"] == 0
        base = f"/v1/sessions/main/executions/{started['execution_id']}/output"
        everything = await sandbox.request("GET", f"{base}?follow=true")
        assert (
            everything.content == "".join(f"{number}\n" for number in range(1, 1000001)).encode() + b"end\n"
        )


async def test_all_journals_have_one_budget(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["output_bytes"] = 4 * MEBIBYTE
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()

        def on_disk() -> int:
            while True:
                try:
                    return sum(path.stat().st_size for path in (sandbox.state / "journals").glob("*/*"))
                except FileNotFoundError:  # The oldest are removed meanwhile, in a thread.
                    continue

        ended = [
            await sandbox.run("seq 1 200000") for _ in range(6)
        ]  # 1.3 MB each: the oldest go for the newest.
        listed = (await sandbox.request("GET", "/v1/sessions/main/executions")).json()["executions"]
        assert [each["execution_id"] for each in listed] == [each["execution_id"] for each in ended[-3:]]
        await eventually(lambda: on_disk() <= 4 * MEBIBYTE)
        stream = await sandbox.start("seq 1 1000000; echo end", mode="stream")  # Held back: nobody reads it.
        held = await _stands_still(sandbox, stream["execution_id"])
        assert (held["state"], held["dropped_bytes"]) == ("running", 0)
        assert (await sandbox.run("echo fine"))["stdout"] == b"fine\n"
        lossy = await sandbox.start("seq 1 600000; echo end")
        lost = await sandbox.end(lossy["execution_id"])
        assert (lost["state"], lost["end_offset"]) == ("ended", 4_088_899)
        assert lost["dropped_bytes"] > 3 * MEBIBYTE
        assert on_disk() <= 4 * MEBIBYTE + 2 * (FREE_BYTES + MAX_PIECE_BYTES)
        base = f"/v1/sessions/main/executions/{stream['execution_id']}/output"
        everything = await sandbox.request("GET", f"{base}?follow=true")
        assert everything.content.endswith(b"\n1000000\nend\n")
        assert len(everything.content) == 6_888_900


async def test_follow_and_offsets(sandbox: Sandbox) -> None:
    started = await sandbox.start("for i in 1 2 3; do echo $i; sleep 0.05; done")
    base = f"/v1/sessions/main/executions/{started['execution_id']}/output"
    assert (await sandbox.request("GET", f"{base}?follow=true")).content == b"1\n2\n3\n"
    assert (await sandbox.request("GET", f"{base}?offset=2")).content == b"2\n3\n"
    assert (await sandbox.request("GET", f"{base}?offset=6")).content == b""
    beyond = await sandbox.request("GET", f"{base}?offset=7")
    assert (beyond.status_code, beyond.json()["code"]) == (416, "offset-beyond-end")


async def _status(sandbox: Sandbox, execution_id: str, session: str = "main") -> dict[str, Any]:
    return (await sandbox.request("GET", f"/v1/sessions/{session}/executions/{execution_id}")).json()


async def _first_output(sandbox: Sandbox, execution_id: str) -> None:
    async def has_output() -> bool:
        return (await _status(sandbox, execution_id))["end_offset"] > 0

    await eventually(has_output)


async def _stands_still(sandbox: Sandbox, execution_id: str) -> dict[str, Any]:
    with anyio.fail_after(20):
        while True:
            before = await _status(sandbox, execution_id)
            await anyio.sleep(0.2)  # To see that nothing happens, some time has to pass.
            after = await _status(sandbox, execution_id)
            if before["end_offset"] == after["end_offset"] != 0:
                return after


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
async def test_a_command_of_another_user(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["profile"] = "root"
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        ran = await sandbox.run('echo $(id -u) $USER "$HOME"', user="daemon")
        account = pwd.getpwnam("daemon")
        assert ran["stdout"].decode() == f"{account.pw_uid} daemon {account.pw_dir}\n"
        own = await sandbox.run("id -u", user="root")
        assert own["stdout"] == b"0\n"
        refused = await sandbox.start("true", user="nobody-has-this-name")
        assert (refused["status"], refused["code"]) == (422, "user-unknown")
        assert "nobody-has-this-name" in refused["message"]
        assert (await sandbox.start("true", user=""))["code"] == "invalid-request"
