"""The journal against a plain model of it: any interleaving of appends and reads gives the same bytes."""

import os
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.limits import RESULT_STREAM_BYTES
from kubebox_protocol.output import OutputType
from kubebox_sandbox.executions import journal as journal_module
from kubebox_sandbox.executions.budget import Budget
from kubebox_sandbox.executions.journal import FREE_BYTES, MAX_PIECE_BYTES, Journal
from kubebox_sandbox.executions.pieces import Cursor, Gap, Piece
from kubebox_sandbox.executions.pipes import read_now
from kubebox_sandbox.executions.segment import HEADER

STREAMS = st.sampled_from(["stdout", "stderr"])
APPENDS = st.tuples(STREAMS, st.integers(1, 3000), st.integers(0, 255))
READS = st.tuples(st.just("read"), st.integers(0, 10), st.integers(1, 5000))


def read_all(journal: Journal, offset: int = 0, limit: int = 65536) -> list[Piece | Gap]:
    cursor, items = Cursor(offset), list[Piece | Gap]()
    while (item := journal.read(cursor, limit)) is not None:
        items.append(item)
    return items


def check_items(items: list[Piece | Gap], model: list[tuple[OutputType, int]], start: int) -> None:
    at = start
    for item in items:
        assert item.offset == at
        if isinstance(item, Gap):
            at = item.next_offset
            continue
        expected = model[at : at + len(item.data)]
        assert item.data == bytes(value for _, value in expected)
        assert {stream for stream, _ in expected} == {item.stream}
        at += len(item.data)
    assert at == len(model)


@examples(max_examples=150, deadline=None)
@given(st.lists(st.one_of(APPENDS, READS), max_size=60), st.sampled_from([4000, 40_000, 10_000_000]))
def test_any_interleaving_gives_the_same_bytes(actions: list[tuple[str, int, int]], limit: int) -> None:
    model: list[tuple[OutputType, int]] = []
    readers = [Cursor(0) for _ in range(11)]
    seen: list[list[Piece | Gap]] = [[] for _ in readers]
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder), "journal", limit, Budget(1 << 30), 0.0, segment_bytes=1000)
        for kind, number, value in actions:
            if kind == "read":
                item = journal.read(readers[number], value)
                assert not isinstance(item, Piece) or len(item.data) <= value
                if item is not None:
                    seen[number].append(item)
            else:
                stream: OutputType = "stdout" if kind == "stdout" else "stderr"
                journal.append(stream, bytes([value]) * number)
                model.extend((stream, value) for _ in range(number))
                journal.trim(None)
        for reader, items in zip(readers, seen, strict=True):
            while (item := journal.read(reader, 700)) is not None:
                items.append(item)
            check_items(items, model, 0)
        missing = sum(item.next_offset - item.offset for item in read_all(journal) if isinstance(item, Gap))
        assert missing == journal.dropped
        assert journal.end == len(model)
        if limit == 10_000_000:
            for offset in range(0, len(model), max(1, len(model) // 20)):
                check_items(read_all(journal, offset, 333), model, offset)
        journal.delete()
        assert list(Path(folder).iterdir()) == []


RESTARTS = st.tuples(st.just("restart"), st.integers(0, 40), st.just(0))


@examples(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(APPENDS, READS, RESTARTS), max_size=60), st.sampled_from([4000, 40_000, 10_000_000])
)
def test_any_interleaving_with_restarts_gives_the_same_bytes(
    actions: list[tuple[str, int, int]], limit: int
) -> None:
    model: list[tuple[OutputType, int]] = []
    with TemporaryDirectory() as text:
        folder = Path(text)
        budget = Budget(1 << 30)
        journal = Journal(folder, "journal", limit, budget, 0.0, segment_bytes=1000)
        for kind, number, value in actions:
            if kind == "read":
                check_items(read_all(journal), model, 0)
            elif kind == "restart":
                dropped, first = journal.dropped, journal.first_offset
                journal.close()
                # What comes after something that was dropped begins a file of its own, so that nothing is torn there.
                if journal.held_until(journal.end - 1) == journal.end:
                    model.extend(("stdout", value) for value in tear(folder, number))
                budget = Budget(1 << 30)
                journal = Journal(folder, "journal", limit, budget, 0.0, segment_bytes=1000)
                journal.recover(list(folder.iterdir()), 0)
                assert (journal.end, journal.dropped, journal.first_offset) == (len(model), dropped, first)
                assert budget.used == journal.size
            else:
                stream: OutputType = "stdout" if kind == "stdout" else "stderr"
                journal.append(stream, bytes([value]) * number)
                model.extend((stream, value) for _ in range(number))
                journal.trim(None)
        check_items(read_all(journal), model, 0)


def tear(folder: Path, count: int) -> bytes:
    """Leave the beginning of a frame behind, as a server that is killed while it writes; gives what it holds of output."""
    unsealed = [path for path in folder.iterdir() if "-" not in path.name and path.suffix != ".end"]
    torn = (HEADER.pack(0, 1.0, 5000) + b"torn" * 10)[:count]
    for path in unsealed:
        with path.open("ab") as file:
            file.write(torn)
    return torn[HEADER.size :] * len(unsealed)


def test_the_rest_of_a_torn_frame_is_never_taken_for_output(tmp_path: Path) -> None:
    for number, content in enumerate([b"first ", b"abc"]):
        journal = Journal(tmp_path, "journal", 1 << 20, Budget(1 << 30), 0.0)
        journal.recover(list(tmp_path.iterdir()), 0)
        journal.append("stdout", content)
        journal.close()
        if number == 0:
            (path,) = tmp_path.iterdir()
            torn = HEADER.pack(9, 1.0, 5000) + b"abc" + HEADER.pack(0, 1.0, 6) + b"forged"
            path.write_bytes(path.read_bytes() + torn)
    journal = Journal(tmp_path, "journal", 1 << 20, Budget(1 << 30), 0.0)
    journal.recover(list(tmp_path.iterdir()), 0)
    assert journal.end == len(b"first abc")


def test_the_bound_keeps_head_and_tail(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "journal", 40_000, Budget(1 << 30), 0.0, segment_bytes=10_000)
    for number in range(100):
        journal.append("stdout", bytes([number]) * 5000)
        assert journal.trim(None)
    assert journal.size < 40_000 + 15_000
    first, gap, *rest = read_all(journal)
    assert isinstance(first, Piece)
    assert first.data.startswith(b"\0" * 5000)
    assert isinstance(gap, Gap)
    assert gap.next_offset == journal.first_offset
    assert journal.dropped == gap.next_offset - gap.offset
    assert isinstance(rest[-1], Piece)
    assert rest[-1].data.endswith(bytes([99]) * 5000)
    with pytest.raises(Refused) as caught:
        journal.check(gap.offset)
    assert caught.value.code is ErrorCode.OFFSET_EXPIRED
    assert caught.value.data == {"first_offset": gap.next_offset}


def test_of_each_stream_the_beginning_stays_that_results_keep(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "journal", 64 << 20, Budget(1 << 30), 0.0)
    parts: list[tuple[OutputType, int]] = [("stdout", 48), ("stderr", 40), ("stdout", 40)]
    for stream, count in parts:
        for number in range(count << 5):
            journal.append(stream, bytes([number % 251]) * 32768)
            assert journal.trim(None)
    assert journal.size <= (64 << 20) + MAX_PIECE_BYTES
    assert journal.held_until(0) >= RESULT_STREAM_BYTES // 2
    assert journal.held_until(48 << 20) >= (48 << 20) + RESULT_STREAM_BYTES // 2
    gap = next(item for item in read_all(journal) if isinstance(item, Gap))
    assert gap.next_offset == journal.first_offset


def test_beginnings_never_push_the_end_out(tmp_path: Path) -> None:
    """A stream that says little is at its beginning for long, and so is every file that has some of it."""
    journal = Journal(tmp_path, "journal", 64 << 20, Budget(1 << 30), 0.0)
    for number in range(256 << 5):
        journal.append("stdout", bytes([number % 251]) * 32768)
        if number < 128 << 5:
            journal.append("stderr", b".")
        assert journal.trim(None)
    assert journal.held_until(0) >= 4 << 20
    assert journal.held_until(journal.end - (24 << 20)) == journal.end


def test_beginnings_outlast_the_server(tmp_path: Path) -> None:
    first = Journal(tmp_path, "journal", 64 << 20, Budget(1 << 30), 0.0)
    first.append("stdout", b"\0" * (8 << 20))
    first.close()
    journal = Journal(tmp_path, "journal", 64 << 20, Budget(1 << 30), 0.0)
    journal.recover(list(tmp_path.iterdir()), 0)
    for _ in range(100 << 5):
        journal.append("stdout", b"." * 32768)
        assert journal.trim(None)
    assert journal.held_until(0) >= RESULT_STREAM_BYTES // 2


def test_a_floor_holds_what_is_not_read_yet(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "journal", 40_000, Budget(1 << 30), 0.0, segment_bytes=10_000)
    while journal.trim(0):
        journal.append("stdout", b"x" * 1000)
    held = journal.end
    assert not journal.trim(0)
    assert journal.dropped == 0
    assert journal.trim(held)


def test_offsets_beyond_the_end_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "journal", 1 << 20, Budget(1 << 30), 0.0)
    journal.check(0)
    with pytest.raises(Refused) as caught:
        journal.check(1)
    assert caught.value.code is ErrorCode.OFFSET_BEYOND_END


def test_a_disk_that_takes_nothing_counts_as_dropped(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    journal = Journal(tmp_path / "file", "journal", 1 << 20, Budget(1 << 30), 0.0)
    journal.append("stdout", b"short")
    journal.append("stdout", b"x" * 20_000)
    assert (journal.end, journal.dropped) == (20_005, 20_005)
    assert read_all(journal) == [Gap(0, 20_005)]
    journal.append("stderr", b"y" * 70_000)
    assert journal.dropped == 90_005


def test_a_shared_budget_is_held_and_what_it_costs_is_counted(tmp_path: Path) -> None:
    limit = 4 << 20
    budget = Budget(limit)
    journals = [
        Journal(tmp_path, str(number), 1 << 30, budget, 0.0, segment_bytes=200_000) for number in range(20)
    ]
    for number in range(1000):
        for journal in journals:
            journal.append("stdout", bytes([number % 256]) * 5000)
            assert budget.used <= limit + len(journals) * FREE_BYTES
    assert budget.used == sum(journal.size for journal in journals) > limit // 2
    for journal in journals:
        assert journal.end == 5_000_000
        items = read_all(journal)
        assert (
            sum(item.next_offset - item.offset for item in items if isinstance(item, Gap)) == journal.dropped
        )
        assert isinstance(items[0], Piece)
        journal.release()
        journal.append("stdout", b"late")
        journal.delete()
    assert budget.used == 0
    assert list(tmp_path.iterdir()) == []


def test_a_producer_that_waits_loses_nothing_to_the_budget(tmp_path: Path) -> None:
    budget = Budget(1 << 20)
    greedy = Journal(tmp_path, "greedy", 1 << 30, budget, 0.0, segment_bytes=100_000)
    patient = Journal(tmp_path, "patient", 1 << 30, budget, 0.0)
    while patient.trim(0):
        patient.append("stdout", b"x" * 10_000, 0)
    assert patient.dropped == 0
    greedy.append("stdout", b"short")
    greedy.append("stdout", b"y" * 100_000)
    assert greedy.end > greedy.dropped > 0
    patient.release()
    greedy.append("stdout", b"z" * 1000)
    last = read_all(greedy)[-1]
    assert isinstance(last, Piece)
    assert last[:3] == (100_005, "stdout", b"z" * 1000)


def said_before(_: int) -> int:
    return 1  # What the kernel had said a moment before.


def test_output_that_its_own_command_reads_back_leaves_nothing_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "journal", 1 << 20, Budget(1 << 30), 0.0)
    journal.append("stderr", b"before ")
    reading, writing = os.pipe()
    with monkeypatch.context() as earlier:
        earlier.setattr(journal_module, "held", said_before)
        with pytest.raises(BlockingIOError):
            journal.take("stdout", reading, 65536)
    os.close(writing)
    assert journal.take("stdout", reading, 65536) == 0
    os.close(reading)
    journal.append("stderr", b"after")
    journal.close()
    found = Journal(tmp_path, "journal", 1 << 20, Budget(1 << 30), 0.0)
    found.recover(list(tmp_path.iterdir()), 0)
    assert (found.end, found.dropped) == (12, 0)
    assert b"".join(item.data for item in read_all(found) if isinstance(item, Piece)) == b"before after"


def test_a_server_without_descriptors_loses_no_output(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "journal", 1 << 20, Budget(1 << 30), 0.0)
    journal.append("stdout", b"x" * 100_000)
    journal.close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            journal.read(Cursor(0), 65536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sum(len(item.data) for item in read_all(journal) if isinstance(item, Piece)) == 100_000


def test_a_pipe_is_read_without_waiting_whatever_its_flags_are() -> None:
    reading, writing = os.pipe()  # Which blocks.
    try:
        with pytest.raises(BlockingIOError):
            read_now(reading, 100)
        os.write(writing, b"there")
        assert (read_now(reading, 3), read_now(reading, 3)) == (b"the", b"re")
    finally:
        os.close(writing)
    assert read_now(reading, 100) == b""
    os.close(reading)
