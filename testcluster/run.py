"""Running other programs to their end."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from testcluster.errors import CommandFailed


def run(
    *command: str | Path,
    given: str | IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> str:
    """Run a program.

    Args:
        command: The program and its arguments.
        given: Its standard input: text, or a file.
        environment: All of its environment; this process's unless given.
        seconds: How long it may take; it is killed then.

    Returns:
        What it printed.

    Raises:
        CommandFailed: With what it said.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=given if isinstance(given, str) else None,
            stdin=None if isinstance(given, str) else given or subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            env=environment,
            timeout=seconds,
        )
    except FileNotFoundError as error:
        raise CommandFailed(command, 127, str(error)) from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(command, 124, f"it took more than {seconds} s") from None
    if done.returncode:
        raise CommandFailed(command, done.returncode, done.stderr.strip() or done.stdout.strip())
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Whether a program, run for its effect, ended with 0; what it says is nobody's business."""
    try:
        run(*command)
    except CommandFailed:
        return False
    return True
