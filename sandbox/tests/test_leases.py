"""What ends by itself: leases of what nobody reads, and records that are too old."""

import os
from pathlib import Path

from kubebox_protocol import events

from .conftest import Client, Sandbox, eventually


async def test_what_nobody_reads_is_ended_by_its_lease(sandbox: Sandbox) -> None:
    started = await sandbox.start("sleep 1000", lease=0.2)
    ended = await sandbox.end(started["execution_id"])
    assert (ended["verdict"]["kind"], ended["verdict"]["by"]) == ("killed", "lease")


async def test_a_reader_keeps_it_and_a_lost_one_does_not(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    await client.connect()
    started = await client.start("while :; do echo alive; sleep 0.05; done", credit=1 << 20, lease=0.3)
    # Longer than the lease: twenty pieces, each at least a twentieth of a second after the one before.
    await eventually(lambda: client.output(started).count(b"alive\n") >= 20)
    await client.sio.disconnect()
    ended = await sandbox.end(started)
    assert (ended["verdict"]["kind"], ended["verdict"]["by"]) == ("killed", "lease")


async def test_without_a_lease_a_command_outlives_its_client(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    await client.connect()
    started = await client.start("while [ ! -e go ]; do sleep 0.01; done; exit 3", credit=1 << 20)
    await client.sio.disconnect()
    (sandbox.workspace / "go").touch()
    assert (await sandbox.end(started))["verdict"]["exit_code"] == 3


async def test_pages_of_a_list_give_each_once(sandbox: Sandbox) -> None:
    ids = [(await sandbox.run(f"echo {number}"))["execution_id"] for number in range(5)]
    found: list[str] = []
    after = ""
    while True:
        path = f"/v1/sessions/main/executions?limit=2{after}"
        page = (await sandbox.request("GET", path)).json()
        found += [each["execution_id"] for each in page["executions"]]
        assert len(page["executions"]) <= 2
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == ids


async def test_a_record_says_what_it_ran_and_what_that_took(sandbox: Sandbox) -> None:
    ended = await sandbox.run("head -c 100000000 /dev/zero | sha256sum > sum")
    assert ended["command"].startswith("head -c")
    assert ended["cpu_seconds"] > 0.01
    assert ended["peak_memory_bytes"] > 1 << 20
    assert ended["duration"] > 0


async def test_old_records_are_swept_by_age(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.settings_overrides["kept_seconds"] = 0.2
    async with sandbox.open(), sandbox.serving(), sandbox.workspace_running():
        await sandbox.ready()
        await sandbox.session()
        started = await sandbox.start("echo x")
        await sandbox.end(started["execution_id"])
        path = f"/v1/sessions/main/executions/{started['execution_id']}"

        async def is_gone() -> bool:
            return (await sandbox.request("GET", path)).status_code == 404

        await eventually(is_gone)
        await eventually(lambda: not os.listdir(sandbox.state / "journals"))


async def test_a_range_of_output_is_what_curl_expects(sandbox: Sandbox) -> None:
    ended = await sandbox.run("printf 0123456789")
    path = f"/v1/sessions/main/executions/{ended['execution_id']}/output"
    part = await sandbox.request("GET", path, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    rest = await sandbox.request("GET", path, headers={"range": "bytes=7-"})
    assert rest.content == b"789"
    beyond = await sandbox.request("GET", path, headers={"range": "bytes=10-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "offset-beyond-end")


async def test_signals_go_to_the_tree_or_the_leader(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    await client.connect()
    started = await client.start(
        "trap 'echo leader; exit 5' USR1; (trap 'echo child; exit 0' USR1; touch there; while :; do sleep 0.01; done) & wait",
        credit=1 << 20,
    )
    await eventually((sandbox.workspace / "there").exists)
    ask = {"session_id": "main", "execution_id": started}
    wrong = await client.call(events.SIGNAL, {**ask, "signal": {"signal": "SIGNONSENSE"}})
    sent = await client.call(events.SIGNAL, {**ask, "signal": {"signal": "usr1"}})
    ended = await client.wait_for(events.ENDED, started)
    assert (wrong["error"]["code"], ended["execution"]["verdict"]["exit_code"]) == ("invalid-request", 5)
    assert sent["ok"]["signalled"] >= 2
    late = await client.call(events.SIGNAL, {**ask, "signal": {"signal": "USR1", "scope": "leader"}})
    assert late["error"]["code"] == "execution-ended"
    await client.sio.disconnect()
