"""H06: a sandbox whose archives lie. Nothing is written outside the folder, whatever the stream says."""

import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pytest

from kubebox import errors
from kubebox._archive import pack, unpack
from kubebox._archive.links import leads_out

LAST_WORD = json.dumps({"skipped": 1, "changed": 2, "errors": 3})


def entry(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644
) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, target, mode, len(content)
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def last_word(said: str = LAST_WORD) -> bytes:
    info = tarfile.TarInfo("./")
    info.type, info.mode, info.pax_headers = tarfile.DIRTYPE, 0o755, {"comment": said}
    return info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


def stream(*entries: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(entries) + last_word())


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "hostile",
    [
        entry("../planted", b"x"),
        entry("a/../../planted", b"x"),
        entry("/planted", b"x"),
        entry("..", kind=tarfile.DIRTYPE),
        entry("fifo", kind=tarfile.FIFOTYPE),
        entry("device", kind=tarfile.CHRTYPE),
        entry("hard", kind=tarfile.LNKTYPE, target="../outside"),
        entry("hard", kind=tarfile.LNKTYPE, target="first"),
        entry("./", b""),
    ],
    ids=range(9),
)
def test_what_leads_out_or_is_something_else_ends_it(tmp_path: Path, hostile: bytes) -> None:
    folder = tmp_path / "folder"
    with pytest.raises(errors.ArchiveRefused) as refused:
        unpack(stream(entry("first", b"1"), hostile, entry("third", b"3")), folder)
    assert refused.value.data["entry"] == 2
    assert below(tmp_path) == ["folder", "folder/first"]


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    links = ["/etc/passwd", "..", "a/../..", "sub/../../x"]
    entries = [
        entry(f"link{number}", kind=tarfile.SYMTYPE, target=target) for number, target in enumerate(links)
    ]
    summary = unpack(stream(*entries, entry("a/in", kind=tarfile.SYMTYPE, target="../b")), folder)
    assert (summary.links_left_out, summary.entries) == (4, 5)
    assert below(folder) == ["a", "a/in"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    (folder / "mine").symlink_to(outside)
    (folder / "file").symlink_to(outside / "file")
    with pytest.raises(errors.LocalFileError, match="not followed"):
        unpack(stream(entry("mine/planted", b"x")), folder)
    unpack(stream(entry("file", b"x")), folder)
    assert below(outside) == []
    assert not (folder / "file").is_symlink()
    with pytest.raises(errors.LocalFileError, match="not followed"):
        unpack(stream(entry("l", kind=tarfile.SYMTYPE, target="sub"), entry("l/planted", b"x")), folder)


def test_a_link_of_the_stream_is_replaced_by_a_later_file(tmp_path: Path) -> None:
    unpack(stream(entry("a", kind=tarfile.SYMTYPE, target="b"), entry("a", b"x")), tmp_path)
    assert below(tmp_path) == ["a"]


def test_nobody_becomes_somebody_else(tmp_path: Path) -> None:
    unpack(stream(entry("a", b"x", mode=0o6755), entry("d/", kind=tarfile.DIRTYPE, mode=0o7777)), tmp_path)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o777


def test_folders_that_may_not_be_written_to_are_filled(tmp_path: Path) -> None:
    unpack(stream(entry("d/", kind=tarfile.DIRTYPE, mode=0o500), entry("d/a", b"x")), tmp_path)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o500
    (tmp_path / "d").chmod(0o700)


def cut(whole: bytes) -> Iterable[bytes]:
    return [whole[:size] for size in (0, 100, 512, 700, 1024 + 512, len(whole) - 1024 - 1024)]


@pytest.mark.parametrize("number", range(6))
def test_a_stream_without_its_end_is_no_success(tmp_path: Path, number: int) -> None:
    whole = stream(entry("a", b"x"), entry("b", b"y" * 700)).getvalue()
    part = list(cut(whole))[number]
    with pytest.raises(errors.AnswerInvalid):
        unpack(io.BytesIO(part), tmp_path)
    assert not [name for name in below(tmp_path) if name.startswith(".kubebox-")]
    if (tmp_path / "b").exists():
        assert (tmp_path / "b").read_bytes() == b"y" * 700


def test_the_last_word_is_told(tmp_path: Path) -> None:
    summary = unpack(stream(entry("a", b"x")), tmp_path)
    assert (summary.skipped, summary.changed, summary.errors, summary.is_whole) == (1, 2, 3, False)


@pytest.mark.parametrize(
    "said", ["", "nonsense", "[]", "{}", '{"skipped": "many", "changed": 0, "errors": 0}']
)
def test_a_last_word_that_is_none(tmp_path: Path, said: str) -> None:
    with pytest.raises(errors.AnswerInvalid):
        unpack(io.BytesIO(entry("a", b"x") + last_word(said)), tmp_path)


NAMES = [
    "plain",
    "a" * 100,
    "a" * 101,
    "deep/" * 30 + "file",
    "Grüße",
    os.fsdecode(b"odd\xff"),
    "line\nbreak",
    " blank ",
]


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, tarfile.PAX_FORMAT) for name in NAMES]
    + [(name, tarfile.USTAR_FORMAT) for name in NAMES if name != "a" * 101],  # which has none such
)
def test_names_of_all_kinds_are_read(tmp_path: Path, name: str, kind: Literal[0, 1, 2]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = 3, 0o640, 1_500_000_000
    head = info.tobuf(kind, "utf-8", "surrogateescape")
    unpack(stream(head + b"abc" + bytes(509)), tmp_path)
    assert (tmp_path / name).read_bytes() == b"abc"
    assert (tmp_path / name).stat().st_mtime == 1_500_000_000


def test_what_is_packed_is_what_others_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(number))
        os.utime(path, (-5 if number == 0 else number, -5 if number == 0 else number))
    (folder / "link").symlink_to("Grüße/" + "x" * 150)
    data = b"".join(piece for piece in pack(folder) if isinstance(piece, bytes))
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as packed:
        members = {member.name: member for member in packed.getmembers() if not member.isdir()}
    assert set(members) == {*NAMES, "link"}
    for number, name in enumerate(NAMES):
        assert (members[name].size, members[name].mtime) == (number, -5 if number == 0 else number)
    assert members["link"].linkname == "Grüße/" + "x" * 150


def head_of(records: bytes, size: int | None = None) -> bytes:
    info = tarfile.TarInfo("records")
    info.type, info.size = tarfile.XHDTYPE, len(records) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    "hostile",
    [
        head_of(b"0 path=x\n"),
        head_of(b"6 a=b"),
        head_of(b"99 path=x\n"),
        head_of(b"-9 path=x\n"),
        head_of(b"9 pathxx\n"),
        head_of(b"x", 1 << 30),
        head_of(b"15 size=999999\n") + entry("a", b"x"),
        head_of(b"11 size=-1\n") + entry("a", b"x"),
        head_of(b"13 mtime=nan\n") + entry("a", b"x"),
        head_of(b"15 mtime=1e999\n") + entry("a", b"x"),
        b"x" * 512,
        entry("a", b"x")[:148] + b"9999999\0" + entry("a", b"x")[156:],
        entry("a", b"x")[:124] + b"\x80" + bytes(11) + entry("a", b"x")[136:],
    ],
    ids=range(13),
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, hostile: bytes) -> None:
    with pytest.raises(errors.AnswerInvalid):
        unpack(stream(hostile), tmp_path)
    assert below(tmp_path) == []


def test_records_without_end_take_no_time(tmp_path: Path) -> None:
    records = b"6 a=b\n" * 170_000
    assert unpack(stream(head_of(records) + entry("a", b"x")), tmp_path).entries == 1


def test_sparse_files_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1"}
    with pytest.raises((errors.ArchiveRefused, errors.AnswerInvalid)):
        unpack(stream(info.tobuf(tarfile.PAX_FORMAT)), tmp_path)
    assert below(tmp_path) == []


@pytest.mark.parametrize(
    ("depth", "target", "out"),
    [
        (0, "a", False),
        (0, "..", True),
        (1, "../a", False),
        (1, "../../a", True),
        (1, "a/../../b", True),
        (2, "a/../../b", False),
        (0, "a/..", True),
        (0, "/a", True),
        (0, "", True),
    ],
)
def test_links_are_judged_by_their_text(depth: int, target: str, out: bool) -> None:
    assert leads_out(depth, target) is out


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(3_000_000))
    pieces = pack(tmp_path)
    next(pieces)
    os.truncate(large, 10)
    with pytest.raises(errors.LocalFileError, match="changed while"):
        list(pieces)
