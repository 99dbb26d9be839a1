"""Persistent shells: a command that is run in one, and what came of it."""

from pydantic import Field

from kubebox_protocol.base import Answer, Text
from kubebox_protocol.executions import ExecutionRequest, Timeout
from kubebox_protocol.output import OutputChunk
from kubebox_protocol.verdicts import Verdict


class ShellCommand(ExecutionRequest):
    """Run a command in a shell.

    Attributes:
        number: Counts the commands of this shell from 1, so that a repeated request runs nothing twice.
        command: Its text.
        timeout: Seconds until what it started is ended, and the shell with it where that does not help.
    """

    number: int = Field(ge=1)
    command: Text
    timeout: Timeout | None = None


class ShellResult(Answer):
    """What came of a shell's command.

    Attributes:
        number: The command's.
        exit_code: Its exit code; that of the shell where the command ended it; nothing where a restart of the server has lost it.
        timed_out: Whether it was ended at its timeout.
        start_offset: Where its output begins in the shell's.
        end_offset: Where it ends.
        output: The output, where it is small.
        ended: How the shell ended, where the command ended it.
    """

    number: int
    exit_code: int | None = None
    timed_out: bool = False
    start_offset: int
    end_offset: int
    output: "list[OutputChunk] | None" = None
    ended: Verdict | None = None
