"""Tar's blocks, as init writes them and reads them: heads of POSIX's two formats, ustar and pax, and no other dialect.

Python's own reader knows every dialect that there ever was, which takes most of the time of a folder of small files; and who
reads what a sandbox has written is better off with less to believe. Heads that are no plain ones are left to its writer.
"""

import tarfile
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from kubebox.errors import AnswerInvalid

BLOCK: Final = 512
"""Bytes of a block."""

READ_BYTES: Final = 512 * 1024
"""Bytes that are asked of a source at once: more than one has ready, so that it need not part what it has."""

MAX_RECORDS_BYTES: Final = 1024 * 1024
"""Bytes of one entry's pax records: two paths and a remark take a hundredth of that."""

FILE: Final = b"0"
SYMLINK: Final = b"2"
FOLDER: Final = b"5"
_OLD_FILE: Final = b"\0"
_RECORDS: Final = b"x"

_PLAIN_NAME_BYTES: Final = 100
_PLAIN_NUMBER: Final = 8**11
_EMPTY: Final = bytes(BLOCK)
_ADLER: Final = 65521
"""What Adler-32 counts modulo: https://www.rfc-editor.org/rfc/rfc1950"""


class Source(Protocol):
    """Where a stream comes from."""

    def read(self, size: int, /) -> bytes:
        """Bytes, none at the end; waits for them."""
        ...


class Entry(NamedTuple):
    """What a stream says of one entry. Nothing of it is believed.

    Attributes:
        kind: Tar's letter for it.
        name: Its path, bytes that are no UTF-8 escaped as Python does.
        target: Of a symbolic link.
        size: Bytes of content that follow.
        mode: Permission bits, and whatever else is said.
        modified: Unix time in seconds.
        remark: What pax calls a comment.
    """

    kind: bytes
    name: str
    target: str
    size: int
    mode: int
    modified: float
    remark: str


class Blocks:
    """Reads a stream entry by entry. The content of each is taken before the next.

    Args:
        source: The stream.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = b""
        self._at = 0

    def entries(self) -> Iterator[Entry]:
        """The entries, to the stream's end.

        Raises:
            AnswerInvalid: It is no such stream, or has no end.
        """
        records: dict[bytes, bytes] = {}
        while (head := self._take(BLOCK)) != _EMPTY:
            _check(head)
            kind = head[156:157]
            size = _number(head[124:136])
            if kind == _RECORDS:
                records = self._records(size)
                continue
            yield _entry(head, kind, size, records)
            records = {}

    def content(self, size: int) -> Iterator[bytes]:
        """An entry's content, piece by piece."""
        left = size
        while left:
            piece = self._some(left)
            left -= len(piece)
            yield piece
        self._take(-size % BLOCK)

    def _records(self, size: int) -> dict[bytes, bytes]:
        if size > MAX_RECORDS_BYTES:
            raise _invalid("an entry's records are too long")
        data = b"".join(self.content(size))
        records: dict[bytes, bytes] = {}
        at = 0
        while at < len(data):
            length = data[at : at + 8].partition(b" ")[0]
            end = at + int(length) if length.isdigit() else 0
            record = data[at + len(length) + 1 : end]
            key, equals, value = record.partition(b"=")
            if end > len(data) or record[-1:] != b"\n" or not equals or key.startswith(b"GNU.sparse"):
                raise _invalid("an entry has records that are none, or not for it")
            records[key] = value[:-1]
            at = end
        return records

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        while len(taken) < size:
            taken += self._some(size - len(taken))
        return taken

    def _some(self, most: int) -> bytes:
        if self._at == len(self._data):
            self._data, self._at = self._source.read(READ_BYTES), 0
            if not self._data:
                raise _invalid("it breaks off")
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece


def plain_head(name: bytes, kind: bytes, mode: int, size: int, modified: int, target: bytes = b"") -> bytes:
    """An entry's head; where something does not fit a plain one, with pax records before it."""
    if (
        len(name) > _PLAIN_NAME_BYTES
        or len(target) > _PLAIN_NAME_BYTES
        or not (name.isascii() and target.isascii())
        or size >= _PLAIN_NUMBER
        or not 0 <= modified < _PLAIN_NUMBER
    ):
        return _with_records(name, kind, mode, size, modified, target)
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0        %s%sustar\x0000" % (
        name.ljust(100, b"\0"), mode, 0, 0, size, modified, kind, target.ljust(100, b"\0"),
    )  # fmt: skip
    return b"%s%06o\0 %s" % (head[:148], _sum_of(head), head[156:].ljust(BLOCK - 156, b"\0"))


def _with_records(name: bytes, kind: bytes, mode: int, size: int, modified: int, target: bytes) -> bytes:
    info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
    info.type, info.linkname = kind, target.decode("utf-8", "surrogateescape")
    info.mode, info.size, info.mtime = mode, size, modified
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _check(head: bytes) -> None:
    blank = b"%s        %s" % (head[:148], head[156:])
    if head[257:265] != b"ustar\x0000" or _sum_of(blank) != _number(head[148:156]) % _ADLER:
        raise _invalid("an entry's head is none")


def _sum_of(head: bytes) -> int:
    """The sum of a head's bytes, modulo 65521; of plain text that is the sum. Adler-32 has it in a sixth of the time."""
    return ((zlib.adler32(head) & 0xFFFF) - 1) % _ADLER


def _entry(head: bytes, kind: bytes, size: int, records: dict[bytes, bytes]) -> Entry:
    name = head[:100].partition(b"\0")[0]
    prefix = head[345:500].partition(b"\0")[0]
    if b"size" in records:
        size = _decimal(records[b"size"])
    modified = records.get(b"mtime")
    return Entry(
        kind=FILE if kind == _OLD_FILE else kind,
        name=_text(records.get(b"path", prefix + b"/" + name if prefix else name)),
        target=_text(records.get(b"linkpath", head[157:257].partition(b"\0")[0])),
        size=size if kind in (FILE, _OLD_FILE) else 0,
        mode=_number(head[100:108]),
        modified=_number(head[136:148]) if modified is None else _moment(modified),
        remark=_text(records.get(b"comment", b"")),
    )


def _number(field: bytes) -> int:
    digits = field.partition(b"\0")[0].strip(b" ")
    if not digits:
        return 0
    try:
        number = int(digits, 8)
    except ValueError:
        number = -1
    if number < 0 or not digits.isdigit():
        raise _invalid("a number is none")
    return number


def _decimal(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise _invalid("a number is none")
    return int(value)


def _moment(value: bytes) -> float:
    try:
        moment = float(value)
    except ValueError:
        moment = float("nan")
    if not abs(moment) < 2**62 / 1e9:
        raise _invalid("a time is none")
    return moment


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _invalid(why: str) -> AnswerInvalid:
    return AnswerInvalid(f"what the sandbox sent is not a whole archive ({why})")
