"""Arguments of the public API, checked before anything is sent."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from pydantic import TypeAdapter, ValidationError

from kubebox.errors import CommandTooLong, InvalidArgument
from kubebox_protocol.base import Request
from kubebox_protocol.executions import CommandMode, StartCommand, TerminalSize
from kubebox_protocol.limits import (
    MAX_ARGUMENTS,
    MAX_COMMAND_BYTES,
    MAX_ENVIRONMENT_BYTES,
    MAX_PATH_BYTES,
    MAX_PORT,
    MAX_SESSION_ID_LENGTH,
    MAX_TIMEOUT_SECONDS,
)
from kubebox_protocol.sessions import SessionId

RequestModel = TypeVar("RequestModel", bound=Request)

_SESSION_ID: TypeAdapter[str] = TypeAdapter(SessionId)


def build(model: type[RequestModel], **fields: Any) -> RequestModel:
    """A request of the protocol.

    Raises:
        InvalidArgument: A field is not what it must be. The message names field and reason, never the value.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from None


def session(session_id: str) -> str:
    """A session's name, checked, since it becomes a part of URLs."""
    try:
        return _SESSION_ID.validate_python(session_id, strict=True)
    except ValidationError:
        raise InvalidArgument(
            f"session_id: must be 1 to {MAX_SESSION_ID_LENGTH} letters, digits or . _ : -, "
            "the first a letter or a digit"
        ) from None


def process(process_id: str | UUID) -> UUID:
    """An execution's id."""
    try:
        return process_id if isinstance(process_id, UUID) else UUID(process_id)
    except (ValueError, TypeError, AttributeError):
        raise InvalidArgument("process_id: not one that run_command() gave (a UUID)") from None


def offset(value: int) -> int:
    """A place in an output."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument("offset: must be a number of bytes, 0 or more")
    return value


def path(value: str | os.PathLike[str]) -> str:
    """A path in the sandbox."""
    try:
        text = os.fspath(value)
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise InvalidArgument("path: must be text")
    _require_text("path", text)
    if len(text.encode()) > MAX_PATH_BYTES:
        raise InvalidArgument(
            f"path: longer than the {MAX_PATH_BYTES} bytes that Linux takes", limit=MAX_PATH_BYTES
        )
    return text


_path = path  # for functions that have an argument of this name


def port(name: str, value: int, *, least: int = 1) -> int:
    """A TCP port.

    Args:
        name: The argument's.
        value: As given.
        least: 0 where that means any port that is free.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_PORT:  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument(f"{name}: must be a port, a whole number from {least} to {MAX_PORT}")
    return value


def address(url: str) -> str:
    """A server's address: scheme, host and port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, TypeError, AttributeError):
        raise InvalidArgument("url: malformed; it looks like http://HOST:PORT") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidArgument("url: must look like http://HOST:PORT or https://HOST")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in {"", "/"}:
        raise InvalidArgument("url: must be an address alone, without user, path, query or fragment")
    return f"{parts.scheme}://{parts.netloc}"


def start(
    command: str | Sequence[str],
    mode: CommandMode | str,
    *,
    path: str | None,
    timeout: float | None,
    env: Mapping[str, str] | None,
    user: str | None,
    stdin: str | bytes | None,
    process_id: str | UUID | None,
    open_stdin: bool = False,
    terminal: TerminalSize | None = None,
    as_shell: bool = False,
    lease: float | None = None,
) -> StartCommand:
    """What starts a command, a terminal or a shell.

    Raises:
        InvalidArgument: An argument is not what it must be.
        CommandTooLong: The command is longer than Linux takes.
    """
    request = build(
        StartCommand,
        execution_id=uuid4() if process_id is None else process(process_id),
        command=_command(command),
        mode=mode,
        path=None if path is None else _path(path),
        timeout=None if timeout is None else seconds("timeout", timeout),
        env=variables(env),
        user=user,
        stdin=stdin.encode() if isinstance(stdin, str) else stdin,
        open_stdin=_open_stdin(open_stdin, mode, stdin),
        terminal=terminal,
        shell=as_shell,
        lease=None if lease is None else seconds("lease", lease),
    )
    for one in [request.command] if isinstance(request.command, str) else request.command:
        argument("command", one)
    return request


def argument(name: str, value: str) -> str:
    """Text that a program can be given.

    Raises:
        InvalidArgument: It is not text, or has a NUL in it.
        CommandTooLong: It is longer than Linux takes.
    """
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument(f"{name}: must be text, not {_kind(value)}")
    _require_text(name, value)
    if "\0" in value:
        raise InvalidArgument(f"{name}: contains a NUL, which no argument can")
    if len(value.encode()) > MAX_COMMAND_BYTES:
        raise CommandTooLong(
            f"an argument of the {name} is longer than the {MAX_COMMAND_BYTES} bytes that Linux takes; "
            "write it to a file and run that",
            limit=MAX_COMMAND_BYTES,
        )
    return value


def seconds(name: str, value: float) -> float:
    """A time limit. Text is none, although it could be read as one: it would hide a mistake.

    Args:
        name: The argument's.
        value: As given.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument(f"{name}: must be a number of seconds, not {_kind(value)}")
    if not 0 < value <= MAX_TIMEOUT_SECONDS:
        raise InvalidArgument(
            f"{name}: must be more than 0 and at most {MAX_TIMEOUT_SECONDS:.0f} seconds (thirty days)"
        )
    return value


def seconds_or_none(name: str, value: float) -> float:
    """A time that may be 0, which asks for no waiting at all."""
    return 0.0 if value == 0 and not isinstance(value, bool) else seconds(name, value)


def _open_stdin(value: bool, mode: CommandMode | str, stdin: str | bytes | None) -> bool:
    if value and mode == CommandMode.WAIT:
        raise InvalidArgument(
            "open_stdin: not with WAIT, which gives nothing to write with; STREAM and BACKGROUND do"
        )
    if value and stdin is not None:
        raise InvalidArgument("open_stdin: not with `stdin`, which is all of the input; write() gives it")
    return value


def _command(command: str | Sequence[str]) -> str | list[str]:
    if isinstance(command, str):
        return command
    if not isinstance(command, (list, tuple)) or not all(isinstance(one, str) for one in command):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument(
            f"command: must be text, which a shell runs, or a list of texts, which runs without one; not {_kind(command)}"
        )
    if len(command) > MAX_ARGUMENTS:
        raise InvalidArgument(
            f"command: has {len(command)} arguments, at most {MAX_ARGUMENTS}; put them into a file",
            limit=MAX_ARGUMENTS,
        )
    return list(command)


def _kind(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "one with other things in it"
    return type(value).__name__


def variables(env: Mapping[str, str] | None) -> dict[str, str]:
    """Environment variables, with names and values that a process can have."""
    if env is None:
        return {}
    if not isinstance(env, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise InvalidArgument("env: must map names to values")
    size = 0
    for name, value in env.items():
        if not (isinstance(name, str) and isinstance(value, str)):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            raise InvalidArgument("env: names and values must be text")
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise InvalidArgument("env: a name is empty or contains `=`, or a NUL is in a name or a value")
        _require_text("env", name)
        _require_text("env", value)
        size += len(name.encode()) + len(value.encode()) + 2
    if size > MAX_ENVIRONMENT_BYTES:
        raise InvalidArgument(
            f"env: longer than {MAX_ENVIRONMENT_BYTES} bytes together", limit=MAX_ENVIRONMENT_BYTES
        )
    return dict(env)


def _require_text(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{name}: not text that UTF-8 can carry") from None


_IN_OUR_WORDS: Final = {
    "string_type": "must be text",
    "bytes_type": "must be text or bytes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_too_long": "must have at most {max_length} characters",
    "bytes_too_long": "must have at most {max_length} bytes",
    "too_long": "must have at most {max_length} entries",
    "enum": "must be {expected}",
    "missing": "must be given",
}
"""What pydantic calls the errors that callers can make, and how we say them."""


def _invalid(error: ValidationError) -> InvalidArgument:
    reasons: dict[str, None] = {}
    for detail in error.errors(include_input=False, include_url=False):
        field = str(detail["loc"][0] if detail["loc"] else "argument")
        reason = _IN_OUR_WORDS.get(detail["type"], "is not what it must be").format(**detail.get("ctx", {}))
        reasons[f"{field}: {reason}"] = None
    return InvalidArgument("; ".join(reasons))
