"""Socket.IO over one WebSocket, as both ends of ours speak it: Engine.IO 4, Socket.IO 5, the one namespace `/`.

The libraries for it are written for much more (polling, upgrades, rooms, several servers), hand each message from task to
task, and keep what is to be sent in queues that nothing bounds. What is needed here is a page, and every command pays for it.
It is held to those libraries by tests: theirs talk to our server, and their packets are read as ours.

The protocols: https://github.com/socketio/engine.io-protocol and https://github.com/socketio/socket.io-protocol
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

PATH: Final = "/socket.io/"
QUERY: Final = {"EIO": "4", "transport": "websocket"}

OPEN: Final = "0"
CLOSE: Final = "1"
PING: Final = "2"
PONG: Final = "3"
CONNECT: Final = "40"
DISCONNECT: Final = "41"
CONNECT_ERROR: Final = "44"

_EVENT, _ACK, _BINARY_EVENT, _BINARY_ACK = "2", "3", "5", "6"
_MESSAGE: Final = "4"

MAX_ATTACHMENTS: Final = 64
"""Binary parts of one message: the pieces of a small output that travel with an end."""

MAX_ID_DIGITS: Final = 15
"""Digits of a number that asks for an answer."""


class Malformed(ValueError):
    """A frame that has no place here. The text says why, for a log."""


class TooLarge(ValueError):
    """A message that is larger, with its binary parts, than it may be. What has come of it is let go."""


class Event(NamedTuple):
    """Something that one end tells the other, and the number under which it wants an answer."""

    name: str
    arguments: list[Any]
    number: int | None


class Acknowledgement(NamedTuple):
    """The answer to an event."""

    number: int
    arguments: list[Any]


def event(name: str, payload: Any, number: int | None = None) -> list[str | bytes]:
    """The frames of an event, to be sent one right after the other."""
    return _frames(_EVENT, _BINARY_EVENT, number, [name, payload])


def acknowledgement(number: int, payload: Any) -> list[str | bytes]:
    """The frames of an answer."""
    return _frames(_ACK, _BINARY_ACK, number, [payload])


def _frames(plain: str, binary: str, number: int | None, content: list[Any]) -> list[str | bytes]:
    attachments: list[bytes] = []

    def take(value: Any) -> Any:
        # Called for what JSON does not know alone, so messages without bytes pay nothing for it.
        if isinstance(value, UUID):
            return str(value)
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"{type(value).__name__} does not travel")
        attachments.append(bytes(cast("bytes", value)))
        return {"_placeholder": True, "num": len(attachments) - 1}

    text = json.JSONEncoder(separators=(",", ":"), default=take).encode(content)
    mark = "" if number is None else str(number)
    if not attachments:
        return [f"{_MESSAGE}{plain}{mark}{text}"]
    return [f"{_MESSAGE}{binary}{len(attachments)}-{mark}{text}", *attachments]


@dataclass
class _Unfinished:
    """A message that waits for its binary parts. Its text is parsed when they have come: it may be twenty times as large then."""

    kind: str
    number: int | None
    text: str
    expected: int
    size: int
    attachments: list[bytes] = field(default_factory=list[bytes])


class Reader:
    """Puts frames together to messages.

    Args:
        loads: Parses JSON; may be stricter than Python's own.
        max_attachments: Binary parts of one message.
        max_bytes: Bytes of one message with its binary parts; `None` for no bound but that of its frames.
    """

    def __init__(
        self,
        loads: Callable[[str], Any] = json.loads,
        max_attachments: int = MAX_ATTACHMENTS,
        max_bytes: int | None = None,
    ) -> None:
        self._loads = loads
        self._max_attachments = max_attachments
        self._max_bytes = max_bytes
        self._unfinished: _Unfinished | None = None

    def text(self, frame: str) -> Event | Acknowledgement | None:
        """Take a text frame that carries a message, and give the message once it is whole.

        Raises:
            Malformed: It is none, or another one is not whole yet.
            TooLarge: It is larger than it may be.
        """
        if self._unfinished is not None:
            raise Malformed("a message where a binary part was due")
        kind, rest = frame[1:2], frame[2:]
        if frame[:1] != _MESSAGE or kind not in (_EVENT, _ACK, _BINARY_EVENT, _BINARY_ACK):
            raise Malformed("neither an event nor an answer")
        expected = 0
        if kind in (_BINARY_EVENT, _BINARY_ACK):
            count, dash, rest = rest.partition("-")
            if not dash or not count.isascii() or not count.isdecimal() or len(count) > MAX_ID_DIGITS:
                raise Malformed("a binary message without the number of its parts")
            expected = int(count)
            if expected > self._max_attachments:
                raise Malformed("too many binary parts")
        begin = rest.find("[")
        mark = rest[:begin] if begin >= 0 else rest
        if mark and not (mark.isascii() and mark.isdecimal() and len(mark) <= MAX_ID_DIGITS):
            raise Malformed("another namespace, or a number that is none")
        if begin < 0:
            raise Malformed("nothing in it")
        number, text = int(mark) if mark else None, rest[begin:]
        if expected:
            self._unfinished = self._within(_Unfinished(kind, number, text, expected, _bytes_of(frame)))
            return None
        return _finish(kind, number, self._content(text))

    def binary(self, frame: bytes) -> Event | Acknowledgement | None:
        """Take a binary frame, and give the message that it makes whole.

        Raises:
            Malformed: No message waits for it, or the one that does is none.
            TooLarge: The message is larger with it than it may be.
        """
        message = self._unfinished
        if message is None:
            raise Malformed("a binary part of nothing")
        message.size += len(frame)
        self._within(message).attachments.append(frame)
        if len(message.attachments) < message.expected:
            return None
        self._unfinished = None
        content = [_fill(value, message.attachments) for value in self._content(message.text)]
        return _finish(message.kind, message.number, content)

    def _within(self, message: _Unfinished) -> _Unfinished:
        if self._max_bytes is not None and message.size > self._max_bytes:
            self._unfinished = None
            raise TooLarge(f"more than {self._max_bytes} bytes")
        return message

    def _content(self, text: str) -> list[Any]:
        try:
            content: Any = self._loads(text)
        except (ValueError, RecursionError):
            raise Malformed("not JSON") from None
        if not isinstance(content, list):
            raise Malformed("not a list")
        return cast("list[Any]", content)


def _bytes_of(frame: str) -> int:
    return len(frame) if frame.isascii() else len(frame.encode())


def _finish(kind: str, number: int | None, content: list[Any]) -> Event | Acknowledgement:
    if kind in (_EVENT, _BINARY_EVENT):
        if not content or not isinstance(content[0], str):
            raise Malformed("an event without a name")
        return Event(content[0], content[1:], number)
    if number is None:
        raise Malformed("an answer to nothing")
    return Acknowledgement(number, content)


def _fill(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if fields.get("_placeholder") is True:
            place: Any = fields.get("num")
            if type(place) is not int or not 0 <= place < len(attachments):
                raise Malformed("a binary part that did not come")
            return attachments[place]
        return {name: _fill(each, attachments) for name, each in fields.items()}
    if isinstance(value, list):
        return [_fill(each, attachments) for each in cast("list[Any]", value)]
    return value
