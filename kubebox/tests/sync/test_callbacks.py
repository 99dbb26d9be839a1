"""What is given to a call is called in its caller's thread."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kubebox.sync import Sandbox, errors


class Refused(Exception):
    """The callback's own."""


def test_they_are_called_in_order_in_this_thread(sandbox: Sandbox) -> None:
    said: list[tuple[str, str, threading.Thread]] = []
    result = sandbox.run(
        "echo one; echo two >&2; echo three",
        on_stdout=lambda text: said.append(("out", text, threading.current_thread())),
        on_stderr=lambda text: said.append(("err", text, threading.current_thread())),
    )
    assert {thread for _, _, thread in said} == {threading.current_thread()}
    for stream, whole in (("out", result.stdout), ("err", result.stderr)):
        assert "".join(text for kind, text, _ in said if kind == stream) == whole
    assert result.stdout == "one\nthree\n"


def test_what_they_raise_comes_out_and_ends_the_command(sandbox: Sandbox) -> None:
    def refuse(text: str) -> None:
        raise Refused(text)

    with pytest.raises(Refused, match="on"):
        sandbox.run("echo on; exec sleep 600", on_stdout=refuse)
    last = sandbox.client.list_commands(sandbox.session_id)[-1]
    assert last.verdict is not None
    assert last.verdict.kind == "killed"


def test_stop_iteration_is_an_exception_as_any_other(sandbox: Sandbox) -> None:
    with pytest.raises(StopIteration):
        sandbox.run("echo on", on_stdout=lambda _: next(iter(())))


def test_they_may_call_again(sandbox: Sandbox) -> None:
    seen: list[str] = []
    sandbox.run("echo a; echo b", on_stdout=lambda text: seen.append(sandbox.run(["echo", text]).stdout))
    assert "".join(seen).split() == ["a", "b"]


def test_coroutine_functions_are_refused(sandbox: Sandbox) -> None:
    async def nobody_awaits(text: str) -> None:
        raise AssertionError(text)

    with pytest.raises(errors.InvalidArgument, match="plain function"):
        sandbox.run("echo on", on_stdout=nobody_awaits)


def test_content_is_read_in_this_thread(sandbox: Sandbox) -> None:
    threads: set[threading.Thread] = set()

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            threads.add(threading.current_thread())
            yield sandbox.run(f"printf {number}").stdout_bytes

    sandbox.files.write("pieces", pieces())
    assert threads == {threading.current_thread()}
    assert sandbox.files.read("pieces") == "012"


def test_content_that_fails_is_not_written(sandbox: Sandbox) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise Refused

    sandbox.files.write("whole", "before")
    with pytest.raises(Refused):
        sandbox.files.write("whole", pieces())
    assert sandbox.files.read("whole") == "before"
    content: Any = 7
    with pytest.raises(errors.InvalidArgument, match="iterable of bytes"):
        sandbox.files.write("whole", content)


def test_a_call_from_the_loop_itself_is_refused(sandbox: Sandbox) -> None:
    class Text(str):
        """Content that is encoded where the loop runs."""

        def encode(self, *_: object, **__: object) -> bytes:
            return sandbox.run("echo never").stdout_bytes

    with pytest.raises(errors.WrongEventLoop, match="wait for itself"):
        sandbox.files.write("never", Text("x"))
    assert sandbox.run("echo still").stdout == "still\n"
