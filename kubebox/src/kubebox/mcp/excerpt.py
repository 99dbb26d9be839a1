"""The head and the tail of an output, as text, with a word in between that says what is not there and where to find it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubebox._collect import Piece, join

UNFINISHED: Final = 3
"""Bytes at most of a character that lacks its end: UTF-8 has up to four for one."""


@dataclass(frozen=True)
class Excerpt:
    """What is shown of one stream of a command.

    Attributes:
        text: Its text, with a line in each place where something is left out.
        whole: Whether nothing is.
        binary: Whether it is no text: not UTF-8, or with NUL bytes. What does not decode is U+FFFD here.
    """

    text: str
    whole: bool
    binary: bool


@dataclass(frozen=True)
class _Run:
    """Bytes without a gap, and where they begin and end in the output of both streams."""

    begin: int
    end: int
    data: bytes


def excerpt(pieces: Sequence[Piece], process_id: str) -> Excerpt:
    """Put pieces of one stream together.

    Args:
        pieces: In order.
        process_id: Whose they are.
    """
    runs = _runs(pieces)
    parts: list[str] = []
    binary = False
    for number, run in enumerate(runs):
        if number:
            run = _without_tail_of_character(run)
            parts.append(_left_out(runs[number - 1].end, run.begin, process_id))
        if number < len(runs) - 1:
            run = _without_head_of_character(run)
            runs[number] = run
        binary |= is_binary(run.data)
        parts.append(run.data.decode("utf-8", "replace"))
    return Excerpt("".join(parts), len(runs) < 2, binary)


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text that a model could read."""
    if b"\0" in data:
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def begun_character(data: bytes) -> int:
    """Bytes at the end that are the beginning of a character."""
    for length in range(1, min(UNFINISHED, len(data)) + 1):
        first = data[-length]
        if first & 0xC0 == 0x80:  # it goes on from the byte before
            continue
        wanted = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC0 else 1
        return length if wanted > length else 0
    return 0


def _left_out(begin: int, end: int, process_id: str) -> str:
    return (
        f"\n[... left out: read_output with process_id={process_id} reads it from offset={begin} on; "
        f"what follows here begins at offset {end} ...]\n"
    )


def _runs(pieces: Sequence[Piece]) -> list[_Run]:
    runs: list[list[Piece]] = []
    for piece in pieces:
        if runs and piece.follows:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [_Run(run[0].offset, run[-1].offset + len(run[-1].data), join(run)) for run in runs]


def _without_head_of_character(run: _Run) -> _Run:
    begun = begun_character(run.data)
    return _Run(run.begin, run.end - begun, run.data[: len(run.data) - begun])


def _without_tail_of_character(run: _Run) -> _Run:
    rest = next((at for at, one in enumerate(run.data[: UNFINISHED + 1]) if one & 0xC0 != 0x80), 0)
    return _Run(run.begin + rest, run.end, run.data[rest:])
