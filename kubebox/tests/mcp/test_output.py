"""Much output, and output that is no text."""

import base64
import re
from typing import Any

from .servers import Guest

MARK = re.compile(r"\n\[\.\.\. left out: read_output with process_id=(\S+) reads it from offset=(\d+) on; "
                  r"what follows here begins at offset (\d+) \.\.\.\]\n")  # fmt: skip


async def pages(
    guest: Guest, sandbox: str, process_id: str, offset: int, until: int, **more: Any
) -> list[dict[str, Any]]:
    found = list[dict[str, Any]]()
    while offset < until:
        page = await guest.get(
            "read_output",
            sandbox_id=sandbox,
            process_id=process_id,
            offset=offset,
            max_bytes=min(until - offset, 256 * 1024),
            **more,
        )
        found += page["pieces"]
        offset = page["next_offset"]
    return found


async def test_a_flood_keeps_its_head_and_its_tail_and_says_where_the_rest_is(
    guest: Guest, sandbox: str
) -> None:
    told = await guest.get("run_command", sandbox_id=sandbox, command="seq 1 300000")
    assert told["truncated"]
    found = MARK.search(told["stdout"])
    assert found is not None
    process_id, begin, end = found[1], int(found[2]), int(found[3])
    assert process_id == told["process_id"]
    head, tail = told["stdout"][: found.start()], told["stdout"][found.end() :]
    assert 16 * 1024 - 8 <= len(head + tail) <= 16 * 1024
    middle = await pages(guest, sandbox, process_id, begin, end)
    whole = head + "".join(piece["text"] for piece in middle) + tail
    assert whole == "".join(f"{number}\n" for number in range(1, 300_001))
    assert told["output_bytes"] == len(whole)


async def test_a_cut_is_never_within_a_character(guest: Guest, sandbox: str) -> None:
    told = await guest.get(
        "run_command",
        sandbox_id=sandbox,
        command="printf 'x'; for i in $(seq 2000); do printf '🦀é'; done",
        max_output_bytes=1001,
    )
    assert told["truncated"]
    assert not told["binary"]
    assert "\ufffd" not in told["stdout"]
    found = MARK.search(told["stdout"])
    assert found is not None
    middle = await pages(guest, sandbox, told["process_id"], int(found[2]), int(found[3]))
    text = told["stdout"][: found.start()] + "".join(piece["text"] for piece in middle)
    assert text + told["stdout"][found.end() :] == "x" + "🦀é" * 2000


async def test_pages_are_cut_between_characters_too(guest: Guest, sandbox: str) -> None:
    told = await guest.get("run_command", sandbox_id=sandbox, command="printf '🦀🦀🦀🦀'")
    page = await guest.get("read_output", sandbox_id=sandbox, process_id=told["process_id"], max_bytes=7)
    assert (page["pieces"][0]["text"], page["next_offset"], page["more"]) == ("🦀", 4, True)


async def test_both_streams_are_bounded_each(guest: Guest, sandbox: str) -> None:
    told = await guest.get(
        "run_command", sandbox_id=sandbox, command="seq 1 50000; seq 1 50000 >&2", max_output_bytes=1024
    )
    for stream in ("stdout", "stderr"):
        assert told[stream].startswith("1\n2\n")
        assert told[stream].endswith("\n50000\n")
        assert MARK.search(told[stream])


async def test_binary_output_is_told_and_given_exactly_as_base64(guest: Guest, sandbox: str) -> None:
    told = await guest.get("run_command", sandbox_id=sandbox, command="printf '\\377\\376\\000ok'")
    assert told["binary"]
    assert "ok" in told["stdout"]
    page = await guest.get(
        "read_output", sandbox_id=sandbox, process_id=told["process_id"], encoding="base64"
    )
    assert base64.b64decode(page["pieces"][0]["text"]) == b"\xff\xfe\0ok"


async def test_an_offset_where_nothing_is_is_a_typed_error(guest: Guest, sandbox: str) -> None:
    told = await guest.get("run_command", sandbox_id=sandbox, command="echo 1")
    error = await guest.error("read_output", sandbox_id=sandbox, process_id=told["process_id"], offset=100)
    assert (error["code"], error["data"]) == ("offset-beyond-end", {"end_offset": 2})
