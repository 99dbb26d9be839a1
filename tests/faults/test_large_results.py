"""H17, F02: of an output that is too much for a result, what the result keeps is all that travels, whatever the line does."""

import asyncio
import time
from hashlib import sha256

import pytest

from kubebox.testing import Box
from kubebox_protocol.limits import RESULT_STREAM_BYTES
from tests.faults.lines import OpenLine
from tests.faults.proxy import Cut, random_places
from tests.soak.sizes import LIMIT, figure, sized

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(LIMIT)]

MEBIBYTE = 1024**2
HALF = RESULT_STREAM_BYTES // 2
FLOOD = sized(128, 256) * MEBIBYTE
SPARE_BYTES = 2 * MEBIBYTE
"""Bytes beside the output: what each message says of itself, questions and their answers, and what a cut brings twice."""

CUTS = sized(10, 100)
NUMBERS = "seq 1000000000 1099999999 | head -c {bytes}"
"""Eleven bytes each, so that what is where can be computed."""


def numbers(start: int, end: int) -> str:
    """A part of what NUMBERS writes."""
    first, last = start // 11, -(-end // 11)
    text = "".join(f"{1000000000 + number}\n" for number in range(first, last))
    return text[start - 11 * first : end - 11 * first]


IN_TURN = """
import array, fcntl, os, subprocess, sys, termios
def read(descriptor):
    held = array.array("i", [1])
    while held[0]:
        fcntl.ioctl(descriptor, termios.FIONREAD, held)
for part in sys.argv[1:]:
    if part.startswith("err:"):
        os.write(2, bytes.fromhex(part[4:]))
        read(2)
    else:
        subprocess.run(part, shell=True)
        read(1)
"""
"""Writes to one stream when what it wrote to the other one has been read: two pipes are read in any order."""


def seen(text: str) -> tuple[int, str]:
    """What is compared of long texts: their difference would take minutes to tell."""
    return len(text), sha256(text.encode()).hexdigest()


async def _result(box: Box, command: str | list[str]) -> tuple[str, str, str, bool]:
    result = await box.wait(command)
    assert result.exit_code == 0
    assert result.stdout_bytes.decode(errors="replace") == result.stdout
    assert result.stderr_bytes.decode(errors="replace") == result.stderr
    return result.stdout, result.stderr, result.output, result.truncated


async def test_a_flood_costs_the_line_what_is_kept_of_it(open_line: OpenLine) -> None:
    line = await open_line(reconnect=0)
    line.proxy.cut_at(iter([(RESULT_STREAM_BYTES + SPARE_BYTES, Cut.RST)]))
    began = time.monotonic()
    out, err, both, truncated = await _result(line.box, NUMBERS.format(bytes=FLOOD))
    figure("a flood of which a result keeps 10 MiB", bytes=FLOOD, seconds=f"{time.monotonic() - began:.2f}")
    expected = numbers(0, HALF) + numbers(FLOOD - HALF, FLOOD)
    assert seen(out) == seen(both) == seen(expected)
    assert (err, truncated) == ("", True)
    assert line.proxy.cuts == 0


async def test_what_the_other_stream_says_in_between_is_kept_in_its_place(open_line: OpenLine) -> None:
    """A character too of which one half comes before all that is left out, and one behind it."""
    line = await open_line(reconnect=0)
    line.proxy.cut_at(iter([(RESULT_STREAM_BYTES + SPARE_BYTES, Cut.RST)]))
    part = FLOOD // 4
    flood, halves = NUMBERS.format(bytes=part), [b"a\xe2", b"\x82", b"\xacb"]
    parts = [flood, *(each for half in halves for each in (f"err:{half.hex()}", flood))]
    out, err, both, truncated = await _result(line.box, ["python3", "-c", IN_TURN, *parts])
    head, tail = numbers(0, HALF), numbers(part - HALF, part)
    assert (seen(out), seen(both)) == (seen(head + tail), seen(f"{head}a€b{tail}"))
    assert (err, truncated) == ("a€b", True)
    assert line.proxy.cuts == 0


async def test_of_both_streams_head_and_tail_are_kept(open_line: OpenLine) -> None:
    line = await open_line(reconnect=0)
    line.proxy.cut_at(iter([(2 * RESULT_STREAM_BYTES + SPARE_BYTES, Cut.RST)]))
    part = FLOOD // 2
    flood = NUMBERS.format(bytes=part)
    out, err, both, truncated = await _result(line.box, f"{flood} & {flood} >&2; wait")
    expected = numbers(0, HALF) + numbers(part - HALF, part)
    assert seen(out) == seen(err) == seen(expected)
    assert truncated
    assert len(both) == 2 * RESULT_STREAM_BYTES
    assert line.proxy.cuts == 0


async def test_what_fits_is_whole(open_line: OpenLine) -> None:
    line = await open_line()
    flood = NUMBERS.format(bytes=RESULT_STREAM_BYTES)
    out, err, both, truncated = await _result(line.box, f"{flood}; {flood} >&2")
    expected = numbers(0, RESULT_STREAM_BYTES)
    assert seen(out) == seen(err) == seen(expected)
    assert (len(both), truncated) == (2 * RESULT_STREAM_BYTES, False)


async def test_over_every_cut_it_is_the_same(open_line: OpenLine) -> None:
    """F02: before what is left out, while the server looks for it, and behind it."""
    line = await open_line()
    part = FLOOD // 4
    flood = NUMBERS.format(bytes=part)
    line.proxy.cut_at(random_places(5, CUTS, 2 * RESULT_STREAM_BYTES // CUTS))
    async with asyncio.timeout(LIMIT * 0.8):
        out, err, _, truncated = await _result(line.box, f"{flood} & {flood} >&2; wait")
    expected = numbers(0, HALF) + numbers(part - HALF, part)
    assert seen(out) == seen(err) == seen(expected)
    assert truncated
    assert line.proxy.cuts > CUTS // 2
