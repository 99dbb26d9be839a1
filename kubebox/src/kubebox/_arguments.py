"""Arguments of the public API, checked before anything is sent."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from pydantic import TypeAdapter, ValidationError

from kubebox.errors import CommandTooLong, InvalidArgument
from kubebox_protocol.base import Request
from kubebox_protocol.executions import CommandMode, StartCommand
from kubebox_protocol.limits import MAX_COMMAND_BYTES, MAX_ENVIRONMENT_BYTES
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
        return _SESSION_ID.validate_python(session_id)
    except ValidationError as error:
        raise _invalid(error, "session_id") from None


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
    return text


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
) -> StartCommand:
    """What `run_command` sends.

    Raises:
        InvalidArgument: An argument is not what it must be.
        CommandTooLong: The command is longer than Linux takes.
    """
    environment = variables(env)
    request = build(
        StartCommand,
        execution_id=uuid4() if process_id is None else process(process_id),
        command=list(command) if isinstance(command, tuple) else command,
        mode=mode,
        path=path,
        timeout=timeout,
        env=environment,
        user=user,
        stdin=stdin.encode() if isinstance(stdin, str) else stdin,
    )
    for argument in [request.command] if isinstance(request.command, str) else request.command:
        _require_text("command", argument)
        if "\0" in argument:
            raise InvalidArgument("command: contains a NUL, which no argument can")
        if len(argument.encode()) > MAX_COMMAND_BYTES:
            raise CommandTooLong(
                f"an argument of the command is longer than the {MAX_COMMAND_BYTES} bytes that Linux takes; "
                "write it to a file and run that",
                limit=MAX_COMMAND_BYTES,
            )
    if request.path is not None:
        _require_text("path", request.path)
    return request


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


def _invalid(error: ValidationError, name: str | None = None) -> InvalidArgument:
    reasons: dict[str, list[str]] = {}
    for detail in error.errors(include_input=False, include_url=False):
        field = name or str(detail["loc"][0] if detail["loc"] else "argument")
        reasons.setdefault(field, []).append(detail["msg"])
    return InvalidArgument("; ".join(f"{field}: {', or '.join(reason)}" for field, reason in reasons.items()))
