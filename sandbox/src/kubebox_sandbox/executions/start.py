"""Starting a command: what is asked for, checked and put into the workspace's terms, and the spawn itself."""

import hashlib
import os
from dataclasses import dataclass

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_protocol.executions import StartCommand
from kubebox_protocol.limits import MAX_COMMAND_BYTES
from kubebox_sandbox.executions.pump import Pump
from kubebox_sandbox.executions.record import Record
from kubebox_sandbox.executions.stdin import StandardInput
from kubebox_sandbox.executions.verdict import unknown
from kubebox_sandbox.sessions import Session, check_environment
from kubebox_sandbox.workspace import Failed, Operation, Workspace, bytes_field, refusal

BASH = ("/bin/bash", "/usr/bin/bash")
SH = ("/bin/sh", "/usr/bin/sh")

START_SECONDS = 30.0
"""Seconds that a spawn may take: a workspace that is short of memory is slow, but not for ever."""


@dataclass(frozen=True)
class Plan:
    """A command in the workspace's terms.

    Attributes:
        tries: Programs and their arguments, tried in order while a program is missing.
        env: The variables that join the workspace's own.
        place: Where to run.
        subject: The program's name in the client's words.
    """

    tries: list[tuple[tuple[str, ...], list[str]]]
    env: dict[str, str]
    place: dict[str, str]
    subject: str


def plan(request: StartCommand, session: Session, profile: str) -> Plan:
    """Check a request and put it into the workspace's terms.

    Raises:
        Refused: It cannot be run.
    """
    if request.user is not None:
        reason = "needs a sandbox of profile `root`" if profile != "root" else "is not supported yet"
        raise Refused(ErrorCode.USER_UNSUPPORTED, f"`user` {reason}", profile=profile)
    env = {**session.env, **request.env}
    check_environment(env)
    return Plan(_tries(request.command), env, session.place(request.path or ""), _subject(request.command))


def digest(session: Session, request: StartCommand) -> bytes:
    """What tells one request from another of the same execution id."""
    return hashlib.sha256(f"{session.session_id}\n{request.model_dump_json()}".encode()).digest()


async def spawn(workspace: Workspace, record: Record, wanted: Plan, stdin: bytes | None) -> None:
    """Start the command of a record. Its output flows into the journal from here on.

    Raises:
        Refused: It was not started.
    """
    given = StandardInput(stdin)
    outputs: list[tuple[int, int]] = []
    started = False
    try:
        outputs.append(_output_pipe())
        outputs.append(_output_pipe())
        (out, out_write), (err, err_write) = outputs
        record.stdin = given
        record.pump = Pump(record.journal, {out: "stdout", err: "stderr"}, record.floor, record.wake)
        await _ask(workspace, record, wanted, [given.descriptor, out_write, err_write])
        started = True
    except OSError as error:
        raise Refused(
            ErrorCode.WORKSPACE_EXHAUSTED, f"the server has no descriptors left: {error.strerror}"
        ) from None
    finally:
        os.close(given.descriptor)
        for _, writing in outputs:
            os.close(writing)
        if not started:
            given.close()
            _close_reading(record, [reading for reading, _ in outputs])
    if record.verdict is None:
        record.pump.start()
        given.start()


async def _ask(workspace: Workspace, record: Record, wanted: Plan, descriptors: list[int]) -> None:
    fields = {
        "execution": str(record.execution_id),
        "env": [bytes_field(f"{name}={value}") for name, value in wanted.env.items()],
        **wanted.place,
    }
    for number, (programs, arguments) in enumerate(wanted.tries, start=1):
        tried = {
            "programs": [bytes_field(program) for program in programs],
            "argv": [bytes_field(argument) for argument in arguments],
        }
        try:
            await workspace.request(
                "start", {**fields, **tried}, descriptors=descriptors, deadline=START_SECONDS
            )
        except Failed as failed:
            if failed.errno == "ENOENT" and failed.what == "program" and number < len(wanted.tries):
                continue
            raise _refusal(failed, wanted) from None
        except Refused as refused:
            if refused.code is ErrorCode.WORKSPACE_UNAVAILABLE and workspace.connected:
                # It was sent and not answered: it may run, so its name stays taken and says so.
                record.finish(unknown("The workspace did not say whether it started."))
            raise
        return


def _refusal(failed: Failed, wanted: Plan) -> Refused:
    if failed.what in ("path", "folder", "root"):
        return refusal(failed, Operation.FILE, "the folder to run in")
    return refusal(failed, Operation.START, wanted.subject)


def _close_reading(record: Record, descriptors: list[int]) -> None:
    if record.pump is not None:
        record.pump.close()
        return
    for descriptor in descriptors:
        os.close(descriptor)


def _output_pipe() -> tuple[int, int]:
    # Only our end must not block: commands do not expect that of theirs.
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    return reading, writing


def _tries(command: str | list[str]) -> list[tuple[tuple[str, ...], list[str]]]:
    if isinstance(command, str):
        _check_argument(command)
        if not command.strip():
            raise Refused(ErrorCode.COMMAND_EMPTY, "the command is empty")
        # Under its own name each: bash called `sh` turns off its extensions, and busybox called `bash` does
        # not start.
        return [(BASH, ["bash", "-c", command]), (SH, ["sh", "-c", command])]
    if not command or not command[0]:
        raise Refused(ErrorCode.COMMAND_EMPTY, "the command names no program")
    for argument in command:
        _check_argument(argument)
    return [((command[0],), command)]


def _check_argument(argument: str) -> None:
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


def _subject(command: str | list[str]) -> str:
    return "a shell (bash or sh)" if isinstance(command, str) else command[0]
