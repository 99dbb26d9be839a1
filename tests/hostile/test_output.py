"""H19-H21: output is bytes, whatever they would do to a terminal, a decoder or a page."""

import hashlib
import os

import pytest

from kubebox.testing import Box
from tests.soak.raw import rest

pytestmark = pytest.mark.anyio

LINE_BYTES = 50_000_000

ESCAPES = (
    b"\x1b]0;title\x07\x1b]8;;http://evil.example/\x07link\x1b]8;;\x07\x1b]52;c;cm0gLXJm\x07\x1b]1337;File=:AAAA\x07"
    b"\x1bP$qm\x1b\\\x1b[6n\x1b[2J\x1b[31mred\x9b31m\x07\xe2\x80\xaegnp.exe\x00"
    b"<script>alert(1)</script>&amp;\r\n\x1b[?1049h"
)
"""Titles, links, the clipboard, questions that a terminal would answer, bidirectional text, and a page's script."""

TEXTS = {
    "no line end": b"no line end",
    "NUL": b"a\0b\0\0c",
    "invalid UTF-8": b"\xff\xfe\x80ok\xc3(\xf0\x28\x8c\x28",
    "only half of a character": b"half \xe2\x82",
    "a progress bar": b"".join(b"\r%3d%%" % number for number in range(101)),
    "escapes": ESCAPES,
}


async def test_one_line_of_fifty_megabytes_is_exact(box: Box) -> None:
    """H19: no reader looks for the end of a line."""
    digest, size, text = hashlib.sha256(), 0, 0
    async for piece in await box.stream(f"head -c {LINE_BYTES} /dev/zero | tr '\\0' x"):
        digest.update(piece.data)
        size += len(piece.data)
        text += len(piece.output)
    assert (size, text) == (LINE_BYTES, LINE_BYTES)
    assert digest.hexdigest() == hashlib.sha256(b"x" * LINE_BYTES).hexdigest()


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
async def test_bytes_are_what_they_were_in_every_way_to_them(box: Box, content: bytes) -> None:
    """H19, H20."""
    await box.client.write_file(box.session_id, "content", content)
    result = await box.wait("cat content; cat content >&2")
    assert result.stdout_bytes == result.stderr_bytes == content
    assert result.stdout == content.decode(errors="replace")
    stream = await box.stream(["cat", "content"])
    assert b"".join([piece.data async for piece in stream]) == content
    path = f"/v1/sessions/{box.session_id}/executions/{stream.process_id}/output"
    answer = await rest(box.client, "GET", path)
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_character_that_comes_byte_by_byte_is_one_character(box: Box) -> None:
    """H19: split wherever it can be, between pieces, and with the other stream in between."""
    text = "aé€😀\N{RIGHT-TO-LEFT OVERRIDE}"
    await box.client.write_file(box.session_id, "text", text)
    slowly = "import sys, time\nfor one in open('text', 'rb').read():\n  for out in (1, 2):\n"
    slowly += "    open(out, 'wb', 0, closefd=False).write(bytes([one]))\n    time.sleep(0.002)"
    seen = {"stdout": "", "stderr": ""}
    async for piece in await box.stream(["python3", "-c", slowly]):
        seen[piece.type] += piece.output
    assert seen == {"stdout": text, "stderr": text}


async def test_a_command_line_full_of_escapes_is_told_as_data(box: Box) -> None:
    """H20: the record shows a command to people; over the wire it is a JSON string, and no raw control character."""
    command = f"printf x # {ESCAPES.replace(bytes(1), b'').decode('latin-1')}"
    result = await box.wait(command)
    answer = await rest(box.client, "GET", f"/v1/sessions/{box.session_id}/executions/{result.process_id}")
    assert answer.json()["command"] == command[: len(answer.json()["command"])]
    assert not set(answer.content) & set(range(0x20)), answer.content


NAMES = [
    b"new\nline", b"-rf", b"$(touch pwned)", b"`id`", b"a;b&c|d", b"'\"", b" ", b"*", b"\\", b"\x1b]0;t\x07",
    "é€😀".encode(), b"\xff\xfe invalid", b"x" * 255, b"Content-Disposition: x\r\nEvil: y",
]  # fmt: skip
"""H21."""


async def test_odd_file_names_go_through_output_and_arguments_unharmed(box: Box) -> None:
    """H21: as the kernel has them, byte by byte."""
    make = "import os, sys\nfor name in sys.stdin.buffer.read().split(b'\\0'): open(b'names/' + name, 'w').close()"
    await box.client.make_dirs(box.session_id, "names")
    (await box.wait(["python3", "-c", make], stdin=b"\0".join(NAMES))).check()
    result = await box.wait("cd names && find . -type f -print0")
    assert sorted(result.stdout_bytes.split(b"\0")[:-1]) == sorted(b"./" + name for name in NAMES)
    for name in (name.decode() for name in NAMES if b"\xff" not in name):
        assert (await box.wait(["ls", "-d", "--", name], path="names")).stdout == f"{name}\n"
    assert (await box.wait("ls pwned names/pwned 2>/dev/null")).stdout == ""


async def test_odd_file_names_go_through_the_file_api_unharmed(box: Box) -> None:
    """H21: what can be text is found by it, and comes into no header."""
    await box.client.make_dirs(box.session_id, "names")
    names = {name.decode() for name in NAMES if b"\xff" not in name}
    for name in names:
        await box.client.write_file(box.session_id, f"names/{name}", name)
    listed = await box.client.list_files(box.session_id, "names", files_only=True)
    assert {os.path.basename(file.path) for file in listed.entries} == names
    for name in names:
        assert await box.client.get_file(box.session_id, f"names/{name}") == name
        answer = await rest(
            box.client, "GET", f"/v1/sessions/{box.session_id}/files", params={"path": f"names/{name}"}
        )
        assert answer.content == name.encode()
        assert "evil" not in answer.headers
