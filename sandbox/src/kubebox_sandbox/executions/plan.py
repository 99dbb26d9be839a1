"""What a start asks for, checked and put into the workspace's terms."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import StartCommand
from kubebox_protocol.limits import MAX_COMMAND_BYTES
from kubebox_sandbox.executions.record import Beginning, Channel, Kind
from kubebox_sandbox.sessions import Session, check_environment
from kubebox_sandbox.workspace import bytes_field

SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh")
"""Programs that run text, the first that is there."""

COMMAND_SHOWN = 256
"""Characters of a command that its record shows."""

DIGEST_BYTES = 32
"""Bytes of what tells two requests apart."""

TERM = "xterm-256color"
"""What a terminal is called where nobody says otherwise: what those are that people and agents look at."""


@dataclass(frozen=True)
class Plan:
    """A command in the workspace's terms.

    Attributes:
        programs: Candidates, tried in order while one is missing.
        arguments: The first of them empty where the program's own name belongs.
        env: The variables that join the workspace's own.
        place: Where to run.
        subject: The program's name in the client's words.
        user: The account in the client's words, where it is another than the workspace's.
        manner: How else: in a terminal, with further descriptors, under another account.
        stdin: What there is to read at first.
    """

    programs: tuple[str, ...]
    arguments: list[str]
    env: dict[str, str]
    place: dict[str, str]
    subject: str
    user: str | None = None
    manner: dict[str, Any] = field(default_factory=dict[str, Any])
    stdin: bytes | None = None


def plan(request: StartCommand, session: Session, profile: str) -> Plan:
    """Check a request and put it into the workspace's terms.

    Raises:
        Refused: It cannot be run.
    """
    env = {**session.env, **request.env}
    manner: dict[str, Any] = {}
    if request.user is not None:
        if profile != "root":
            raise Refused(
                ErrorCode.USER_UNSUPPORTED, "`user` needs a sandbox of profile `root`", profile=profile
            )
        manner["user"] = bytes_field(request.user)
    if request.terminal is not None:
        manner["terminal"] = {"rows": request.terminal.rows, "columns": request.terminal.columns}
        env.setdefault("TERM", TERM)
    if request.shell:
        manner["extra"] = 1  # The pipe on which it says how its commands ended.
    check_environment(env)
    programs, arguments = (SHELLS, ["", "-s"]) if request.shell else _program(request.command)
    return Plan(
        programs=programs,
        arguments=arguments,
        env=env,
        place=session.place(request.path or ""),
        subject="a shell (bash or sh)" if isinstance(request.command, str) else request.command[0],
        user=request.user,
        manner=manner,
        stdin=request.stdin,
    )


def beginning(request: StartCommand, session: Session) -> Beginning:
    """What is known of an execution before it starts."""
    return Beginning(
        execution_id=request.execution_id,
        session_id=session.session_id,
        mode=request.mode,
        digest=_digest(request, session),
        command=_shown(request.command),
        kind=_kind(request),
        at=time.time(),
        clock=time.monotonic(),
        timeout=request.timeout,
        lease=request.lease,
        channels=_channels(request),
    )


def _digest(request: StartCommand, session: Session) -> str:
    content = f"{session.session_id}\n{request.model_dump_json()}"
    return hashlib.blake2b(content.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _kind(request: StartCommand) -> Kind:
    if request.shell:
        return "shell"
    return "command" if request.terminal is None else "terminal"


def _channels(request: StartCommand) -> tuple[Channel, ...]:
    channels: list[Channel] = ["stdout", "stderr"]
    if request.open_stdin or request.shell or request.terminal is not None:
        channels.append("stdin")
    if request.shell:
        channels.append("results")
    return tuple(channels)


def _shown(command: str | list[str]) -> str:
    text = command if isinstance(command, str) else " ".join(command)
    return text if len(text) <= COMMAND_SHOWN else text[: COMMAND_SHOWN - 1] + "…"


def _program(command: str | list[str]) -> tuple[tuple[str, ...], list[str]]:
    if isinstance(command, str):
        check_argument(command)
        if not command.strip():
            raise Refused(ErrorCode.COMMAND_EMPTY, "the command is empty")
        # Under its own name, which is left open: bash called `sh` turns off its extensions, and busybox called
        # `bash` does not start.
        return SHELLS, ["", "-c", command]
    if not command or not command[0]:
        raise Refused(ErrorCode.COMMAND_EMPTY, "the command names no program")
    for argument in command:
        check_argument(argument)
    return (command[0],), command


def check_argument(argument: str) -> None:
    """Refuse what no program can be given.

    Raises:
        Refused: It holds NUL, or is too long.
    """
    if "\0" in argument:
        raise Refused(
            ErrorCode.INVALID_REQUEST, "the command holds a NUL character, which no program can be given"
        )
    if len(argument.encode()) > MAX_COMMAND_BYTES:
        raise Refused(
            ErrorCode.COMMAND_TOO_LONG,
            f"one argument is longer than {MAX_COMMAND_BYTES} bytes; write it to a file first",
            limit=MAX_COMMAND_BYTES,
        )
