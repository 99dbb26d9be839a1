"""What the supervisor learns by waiting: a file that appears, an answer over HTTP."""

import ctypes
import json
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kubebox.local.loop import Loop

IN_CREATE: Final = 0x100
IN_MOVED_TO: Final = 0x80

RETRY_SECONDS: Final = 0.01
"""Between two questions whether the workspace answers; asked only from the moment that the line is there."""

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Bytes. The server's own answers have some hundred."""


def when_created(loop: Loop, path: Path, callback: Callable[[], None]) -> None:
    """Call back once, when a file is there.

    Args:
        loop: The supervisor's.
        path: Of the file; its folder exists.
        callback: What to do.
    """
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if (
        descriptor < 0
        or library.inotify_add_watch(descriptor, os.fsencode(path.parent), IN_CREATE | IN_MOVED_TO) < 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "inotify")

    def look(_data: bytes = b"") -> None:
        if path.exists():
            loop.forget(descriptor)
            callback()

    loop.read(descriptor, look)
    look()  # it may have come before the watch


def ask(loop: Loop, port: int, target: str, answered: Callable[[int, bytes], None]) -> None:
    """Ask the server, which may still be starting: the kernel keeps the connection until it takes it.

    Args:
        loop: The supervisor's.
        port: Of the server on 127.0.0.1.
        target: The path to get.
        answered: Gets the status, 0 where the connection broke, and the body.
    """
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = bytearray()

    def receive(data: bytes) -> None:
        if data and len(answer) < MAX_ANSWER_BYTES:
            answer.extend(data)
        elif not data:
            head, _, body = bytes(answer).partition(b"\r\n\r\n")
            words = head.split(maxsplit=2)
            answered(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, body)

    loop.read(connection.detach(), receive)


def when_ready(loop: Loop, port: int, ready: Callable[[str | None], None]) -> None:
    """Call back when the server says that its workspace answers.

    Args:
        loop: The supervisor's.
        port: Of the server on 127.0.0.1.
        ready: Gets the server's identity key. The socket was ours from the beginning, so nobody else can have answered.
    """

    def answered(status: int, _body: bytes) -> None:
        if status == 200:
            ask(loop, port, f"/v1/info?nonce={secrets.token_urlsafe(32)}", introduced)
        else:
            loop.after(RETRY_SECONDS, lambda: when_ready(loop, port, ready))

    def introduced(status: int, body: bytes) -> None:
        ready(str(json.loads(body)["identity"]) if status == 200 else None)

    ask(loop, port, "/readyz", answered)
