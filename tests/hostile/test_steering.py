"""H38, H44, H31: terminals, shells, leases, signals and lists, asked for what nobody should ask for."""

import base64
import hashlib
from typing import Any
from uuid import uuid4

import pytest

from kubebox.testing import Box
from kubebox_protocol import events
from tests.soak.places import Place
from tests.soak.raw import Wire, rest, wire
from tests.soak.sizes import LIMIT, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

SIZES: list[Any] = [
    {"rows": 0}, {"columns": 0}, {"rows": 65536}, {"columns": -1}, {"rows": 1.5}, {"rows": "many"}, {"rows": None},
    {"depth": 1}, [], 5, True,
]  # fmt: skip
LEASES: list[Any] = [0, -1, 1e308, "soon", [], {"seconds": 1}]
ABSURD_STARTS: list[dict[str, Any]] = [
    {"open_stdin": True, "stdin": "eA=="},
    {"terminal": {}, "stdin": "eA=="},
    {"terminal": {}, "shell": True},
    {"shell": True, "open_stdin": True},
    {"shell": True, "stdin": "eA=="},
    *({"terminal": size} for size in SIZES),
    *({"lease": lease} for lease in LEASES),
    {"open_stdin": "perhaps"},
    {"shell": 2},
    {"shell": True, "command": 5},
]  # fmt: skip

NOT_FINITE = ["NaN", "Infinity", "-Infinity", "1e999"]


@pytest.mark.parametrize("fields", ABSURD_STARTS, ids=str)
async def test_an_absurd_start_starts_nothing(box: Box, fields: dict[str, Any]) -> None:
    """H38: the new fields, in ways that fit neither them nor each other; by both doors."""
    start = {"execution_id": str(uuid4()), "command": "touch ran", **fields}
    answer = await rest(box.client, "POST", f"/v1/sessions/{box.session_id}/executions", json=start)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    async with wire(box.client) as one:
        assert (
            await one.code(events.START, {"session_id": box.session_id, "start": start}) == "invalid-request"
        )
    assert not await box.client.file_exists(box.session_id, "ran")


@pytest.mark.parametrize("number", NOT_FINITE)
async def test_what_is_no_number_is_none(box: Box, number: str) -> None:
    """H38: JSON has no such numbers, though Python would read them."""
    body = f'{{"execution_id": "{uuid4()}", "command": "true", "lease": {number}}}'
    answer = await rest(box.client, "POST", f"/v1/sessions/{box.session_id}/executions", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


async def test_absurd_lists_are_refused(box: Box, shared: Place) -> None:
    """H38, H13: pages of no size, after what is not there, after what is another session's."""
    mine = (await box.wait("true")).process_id
    other = await shared.box()
    theirs = (await other.wait("true")).process_id
    path = f"/v1/sessions/{box.session_id}/executions"
    for query in (
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=1e3",
        "limit=",
        "after=x",
        f"limit={'9' * 500}",
    ):
        answer = await rest(box.client, "GET", f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request"), query
    refused = [await rest(box.client, "GET", f"{path}?after={each}") for each in (theirs, uuid4())]
    assert {(each.status_code, each.text) for each in refused} == {(404, refused[0].text)}
    assert [each["execution_id"] for each in (await rest(box.client, "GET", path)).json()["executions"]] == [
        mine
    ]
    async with wire(box.client) as one:
        for limit in (0, -1, 1001, 1.5, "many", None):
            ask = {"session_id": box.session_id, "limit": limit}
            assert await one.code(events.LIST_EXECUTIONS, ask) == "invalid-request", limit
        ask = {"session_id": box.session_id, "after": theirs}
        assert await one.code(events.LIST_EXECUTIONS, ask) == "execution-not-found"


async def test_absurd_signals_are_refused(box: Box) -> None:
    """H38: names that are none, though Python has something of that name; and the server outlives all that are."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "trap : USR1; echo ready; while :; do sleep 0.05; done")
        await one.has_output(which, b"ready")
        for name in (
            "",
            "NONE",
            "9",
            "-9",
            "SIG",
            "SIGSIG",
            "SIGKILL ",
            "_DFL",
            "SIG_IGN",
            "SIG_BLOCK",
            "KILL\0",
            "é",
            "K" * 17,
            9,
            None,
        ):
            ask = {**which, "signal": {"signal": name}}
            assert await one.code(events.SIGNAL, ask) == "invalid-request", name
        for scope in ("others", "all", "", 1):
            ask = {**which, "signal": {"signal": "TERM", "scope": scope}}
            assert await one.code(events.SIGNAL, ask) == "invalid-request", scope
        for name in ("usr1", "SIGWINCH", "sigurg", "CHLD", "STOP", "CONT"):
            assert (await one.ask(events.SIGNAL, {**which, "signal": {"signal": name}}))["ok"][
                "signalled"
            ] > 0
        await one.ask(events.SIGNAL, {**which, "signal": {"signal": "KILL"}})
        verdict = (await one.ended(which))["verdict"]
        assert (verdict["kind"], verdict["signal"]) == ("signalled", "SIGKILL")


async def test_a_terminal_takes_any_size_that_is_one_and_no_other(box: Box) -> None:
    """H44: from one character to what the kernel can say."""
    async with wire(box.client) as one:
        which = await one.start(
            box.session_id, ["python3", "-c", SAY_SIZE], terminal={"rows": 65535, "columns": 1}
        )
        await one.has_output(which, b"65535 1\r\n")
        for rows, columns in ((1, 1), (65535, 65535), (1, 65535), (24, 80)):
            assert "ok" in await one.ask(events.RESIZE, {**which, "size": {"rows": rows, "columns": columns}})
            await one.has_output(which, f"\n{rows} {columns}\r\n".encode())
        for size in ({"rows": 0}, {"columns": 65536}, {"rows": -1}, {"rows": 2**31}, {"rows": "many"}, None):
            assert await one.code(events.RESIZE, {**which, "size": size}) == "invalid-request", size
        await box.client.kill_command(box.session_id, which["execution_id"], grace=0)
        assert await one.code(events.RESIZE, {**which, "size": {}}) == "execution-ended"
        plain = await one.start(box.session_id, "exec sleep 60")
        assert await one.code(events.RESIZE, {**plain, "size": {}}) == "not-a-terminal"
        assert await one.code(events.SHELL_RUN, {**plain, "number": 1, "command": "true"}) == "not-a-shell"


SAY_SIZE = """
import fcntl, signal, struct, termios
# Blocked, so that one that comes while the last is being told waits to be taken.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
while True:
    rows, columns = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[:2]
    print(rows, columns, flush=True)
    signal.sigwait([signal.SIGWINCH])
"""


async def press(one: Wire, which: dict[str, Any], offset: int, keys: bytes) -> int:
    answer = await one.ask(events.INPUT, {**which, "input": {"offset": offset, "data": keys}})
    return answer["ok"]["offset"]


async def test_keys_that_are_signals_are_signals(box: Box) -> None:
    """H44: interrupt, quit and end of file reach what runs in front, and nothing else."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, KEYS, terminal={})
        offset = 0
        for keys, said in ((b"\x03", b"INT"), (b"\x1c", b"QUIT"), (b"\x1a", b"TSTP")):
            await one.has_output(which, b"ready for " + said)
            offset = await press(one, which, offset, keys)
            await one.has_output(which, b"got " + said)
        await one.has_output(which, b"ready for EOF")
        await press(one, which, offset, b"\x04")
        assert (await one.ended(which))["verdict"]["exit_code"] == 3


KEYS = """
for key in INT QUIT TSTP; do
    got=; trap "got=1" $key; echo "ready for $key"
    until [ "$got" ]; do sleep 0.01; done
    trap "" $key; echo "got $key"
done
echo "ready for EOF"; cat; exit 3
"""

PASTE_BYTES = sized(1, 20) * 1024**2


async def test_a_huge_paste_arrives_whole(box: Box) -> None:
    """H44: in a terminal that takes every byte, with an echo that somebody has to read."""
    async with wire(box.client) as one:
        command = f"stty raw -echo; echo ready; head -c {PASTE_BYTES} | sha256sum"
        which = await one.start(box.session_id, command, terminal={})
        await one.has_output(which, b"ready")
        offset, piece = 0, bytes(range(256)) * 256
        while offset < PASTE_BYTES:
            offset = await press(one, which, offset, piece)
        assert (await one.ended(which))["verdict"]["exit_code"] == 0
        expected = hashlib.sha256(piece * (PASTE_BYTES // len(piece))).hexdigest()
        assert expected.encode() in one.output(which)


async def test_readers_that_come_and_go_see_one_terminal(box: Box) -> None:
    """H44: attached and detached over and over while it writes, each sees exactly what was written."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "seq 20000", terminal={})
        expected = "".join(f"{n}\r\n" for n in range(1, 20001)).encode()
        data = b""
        while len(data) < len(expected):
            async for piece in box.client.attach(box.session_id, which["execution_id"], len(data)):
                data += piece.data
                break
        assert data == expected
        assert (await one.ended(which))["end_offset"] == len(expected)


async def test_a_shells_command_sees_no_descriptor_of_its_shell(box: Box) -> None:
    """H31: neither the pipe of results nor the script's."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "", shell=True)
        look = "ls /proc/self/fd; for n in 3 4 5 6 7 8 9; do (echo 1 0 >&$n) 2>/dev/null && echo open $n; done; cat"
        answer = await one.ask(events.SHELL_RUN, {**which, "number": 1, "command": look})
        assert said(answer).split() == [b"0", b"1", b"2", b"3"]  # the last is the folder that ls reads
        assert answer["ok"]["exit_code"] == 0


TRICKS = [
    ("exec 9>&1 1>&2", 0),
    ("return 5", 2),
    ("break 9; continue 9", 0),
    ("echo 'unclosed", 2),
    ("}", 2),
    ("fi", 2),
    ("set -e; false || true", 0),
    ("set +e", 0),
    ("eval 'exit() { :; }'; unset -f exit", 0),
    ("alias eval=false", 0),
    ("printf() { echo fooled; }", 0),
    ("eval() { echo fooled; }", 0),
    ("unset -f printf eval", 0),
    ("(exit 77)", 77),
    ("sh -c 'kill -INT $$'", 130),
    ("trap 'echo trapped' EXIT DEBUG; (exit 4)", 4),
    ("trap - EXIT DEBUG", 0),
    ("cat <<X\nno end", 0),
    ("IFS=0123456789; (exit 12)", 12),
    ("unset IFS; exec 2>&-", 0),
    ("PS1=; PROMPT_COMMAND='echo 1 0'", 0),
]
"""Commands that could end a careless shell, or say something in its place, and the codes that they have."""


async def test_a_shell_cannot_be_talked_into_a_wrong_code(box: Box) -> None:
    """H38: forged results, closed descriptors, early returns and odd syntax change nothing but their own command."""
    async with wire(box.client) as one:
        which = await one.start(box.session_id, "", shell=True)
        for number, (command, code) in enumerate(TRICKS, 1):
            answer = await one.ask(events.SHELL_RUN, {**which, "number": number, "command": command})
            assert answer["ok"]["exit_code"] == code, (command, answer)
            assert answer["ok"].get("ended") is None, (command, answer)
        for number in (0, -1, 1.5, "1", len(TRICKS) + 2, 10**30):
            ask = {**which, "number": number, "command": "true"}
            assert await one.code(events.SHELL_RUN, ask) in ("invalid-request", "execution-conflict")
        for command in ("", " \n", "a\0b"):
            ask = {**which, "number": len(TRICKS) + 1, "command": command}
            assert await one.code(events.SHELL_RUN, ask) in ("command-empty", "invalid-request")
        answer = await one.ask(events.SHELL_RUN, {**which, "number": len(TRICKS) + 1, "command": "echo fine"})
        assert said(answer) == b"fine\n"


def said(answer: dict[str, Any]) -> bytes:
    """What a shell's command has written, as an answer brings it."""
    pieces = [chunk["data"] for chunk in answer["ok"]["output"]]
    return b"".join(base64.b64decode(piece) if isinstance(piece, str) else piece for piece in pieces)
