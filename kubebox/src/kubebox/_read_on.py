"""A file of a sandbox, piece by piece: where the connection is cut, the next one goes on at the exact byte."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from kubebox import _arguments
from kubebox._transport.base import Body, Transport
from kubebox.errors import ConnectionFailed, FileChanged, InvalidArgument, OffsetBeyondEnd


async def read_on(
    transport: Transport,
    url: str,
    path: str,
    *,
    offset: int = 0,
    length: int | None = None,
    version: str = "",
) -> AsyncGenerator[bytes]:
    """Read a file.

    Args:
        transport: The way to the server.
        url: Where that has the session's files.
        path: The file.
        offset: The first byte wanted.
        length: How many; all to its end unless given.
        version: The version that all of them must be of. Unless given it need be the same only from one connection to the next.

    Yields:
        The bytes; none from beyond its end.

    Raises:
        FileChanged: It is another version, and what has come is no whole.
    """
    reading = _Reading(url, path, offset, None if length is None else offset + length, version)
    outage = transport.outage()
    while not reading.is_done:
        begun = reading.at
        try:
            async with aclosing(reading.pieces(transport)) as pieces:
                async for piece in pieces:
                    yield piece
        except ConnectionFailed as failure:
            if reading.at > begun:
                outage.begin()  # That connection was good.
            await transport.reach_again(failure, outage)


class _Reading:
    """What is still to come of a file."""

    def __init__(self, url: str, path: str, at: int, end: int | None, version: str) -> None:
        self._url = url
        self._path = path
        self._end = end
        self._version = version
        self.at = at

    @property
    def is_done(self) -> bool:
        return self._end is not None and self.at >= self._end

    async def pieces(self, transport: Transport) -> AsyncGenerator[bytes]:
        headers = {"If-Match": f'"{self._version}"'} if self._version else {}
        if self.at or self._end is not None:
            headers["Range"] = f"bytes={self.at}-" + ("" if self._end is None else str(self._end - 1))
        query = {"path": _arguments.path(self._path)}
        try:
            async with transport.stream(self._url, query=query, headers=headers) as body:
                self._check(body, "Range" in headers)
                async for piece in body.pieces:
                    self.at += len(piece)
                    yield piece
        except OffsetBeyondEnd:
            self._end = self.at

    def _check(self, body: Body, is_part: bool) -> None:
        """See that it goes on with what has come, and learn where it ends."""
        version = body.headers.get("etag", "").strip('"')
        begins = body.headers.get("content-range", "").startswith(f"bytes {self.at}-")
        if (self._version and version != self._version) or (is_part and self.at and not begins):
            raise FileChanged(f"{self._path}: it changed while it was read", path=self._path)
        self._version = version
        self._end = self.at + int(body.headers["content-length"])


def check_part(offset: int, length: int | None) -> None:
    """Check what part of a file is asked for.

    Raises:
        InvalidArgument: There can be none such.
    """
    _arguments.offset(offset)
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 0):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument("length: must be a number of bytes, 0 or more")
