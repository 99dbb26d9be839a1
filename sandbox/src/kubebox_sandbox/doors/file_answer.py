"""A file as an HTTP answer: whole or a part of it, and of one version where the client asks for one."""

from collections.abc import Mapping

from starlette.responses import Response

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.doors.rest_requests import RANGE
from kubebox_sandbox.doors.streams import StreamedBytes
from kubebox_sandbox.files import FileThreads, OpenFile


def answer_file(file: OpenFile, threads: FileThreads, headers: Mapping[str, str]) -> Response:
    """Answer with a file, which is closed afterwards.

    With `If-Match` the answer is all of one version: a file that changes while it is read has no end of it, so that who asks for
    the rest is told of that.

    Raises:
        Refused: It is another version than `If-Match` says, or has no byte where `Range` begins.
    """
    try:
        match = headers.get("if-match")
        if match is not None and match.strip() not in ("*", tag_of(file)):
            raise Refused(
                ErrorCode.FILE_CHANGED, f"{file.path[:256]!r} is not the version that was asked for"
            )
        wanted = _wanted(file, headers)
    except Refused:
        file.close()
        raise
    start, end = wanted or (0, file.size)
    answered = {
        "content-type": "application/octet-stream",
        "content-length": str(end - start),
        "accept-ranges": "bytes",
        "etag": tag_of(file),
    }
    if wanted is not None:
        answered["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    pieces = file.pieces(threads, start, end - start, steady=match is not None)
    return StreamedBytes(pieces, answered, file.close, 200 if wanted is None else 206)


def tag_of(file: OpenFile) -> str:
    """A version as HTTP writes it."""
    return f'"{file.version}"'


def _wanted(file: OpenFile, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """The bytes of a range that is honoured: from the first up to, and without, the second."""
    condition = headers.get("if-range")
    wanted = RANGE.fullmatch(headers.get("range", ""))
    if wanted is None or (condition is not None and condition.strip() != tag_of(file)):
        return None
    start = int(wanted[1])
    if wanted[2] and int(wanted[2]) < start:
        return None
    if start >= file.size:
        raise Refused(
            ErrorCode.OFFSET_BEYOND_END, f"{file.path[:256]!r} has {file.size} bytes", size=file.size
        )
    return start, min(file.size, int(wanted[2]) + 1) if wanted[2] else file.size
