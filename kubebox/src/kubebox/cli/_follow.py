"""Following a command that runs elsewhere as if it ran here: its input, its output, its signals, its end."""

import asyncio
import contextlib
import os
import signal
from typing import Final

from kubebox._aside import STDIN, Aside, read_some
from kubebox._results import CommandStream
from kubebox.cli._attend import on_signals, with_beside
from kubebox.cli._ending import exit_code, needs_words
from kubebox.cli._pass_output import pass_output, write_end
from kubebox.cli._show import write_json
from kubebox.cli.app import EXIT_NOBODY_READS, tell
from kubebox.errors import (
    ConnectionFailed,
    ExecutionEnded,
    InputClosed,
    InvalidArgument,
    KubeboxError,
    SandboxLost,
)

PASSED_ON: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that are meant for the command; whichever comes second kills it."""


def has_input() -> bool:
    """Whether this process has a standard input that is meant for a command: a person at a terminal is asked by none."""
    try:
        os.fstat(STDIN)
    except OSError:
        return False  # it was closed
    return not os.isatty(STDIN)


async def follow(stream: CommandStream, *, reads: bool, as_json: bool) -> int:
    """Follow a command to its end, and give the exit code that tells of it.

    Args:
        stream: Its output, of which nothing was read yet.
        reads: Whether it gets this process's standard input.
        as_json: Write objects for programs instead of its output.

    Raises:
        KubeboxError: It cannot be followed; as far as it can still be reached, it was killed.
    """
    signals: asyncio.Queue[int] = asyncio.Queue()
    beside = [_pass_signals(stream, signals), *([_pass_input(stream)] if reads else [])]
    try:
        with on_signals(signals.put_nowait, *PASSED_ON):
            if as_json:
                write_json({"type": "started", "process_id": stream.process_id})
            await with_beside(pass_output(stream, as_json=as_json), *beside)
    except (ConnectionFailed, SandboxLost):
        raise  # There is nobody to ask to kill it; its lease does.
    except BaseException as error:  # cancellation too: nobody follows it any more
        await _kill(stream)
        if isinstance(error, BrokenPipeError) and not isinstance(error, KubeboxError):
            return EXIT_NOBODY_READS
        raise
    verdict = stream.verdict
    assert verdict is not None  # noqa: S101 - the output was read to its end
    if as_json:
        write_end(stream.process_id, verdict)
    elif needs_words(verdict):
        tell(f"{verdict.kind}: {verdict.message}")
    return exit_code(verdict)


async def _pass_signals(stream: CommandStream, signals: "asyncio.Queue[int]") -> None:
    first = signal.Signals(await signals.get())
    with contextlib.suppress(ExecutionEnded):
        await stream.signal(first.name)
    await signals.get()
    await stream.kill(grace=0)


async def _pass_input(stream: CommandStream) -> None:
    reader = Aside("input")
    try:
        while data := await reader.do(read_some, STDIN):
            await stream.write(data)
        await stream.close_stdin()
    except (InputClosed, ExecutionEnded):
        return  # It reads no more; whoever writes to us learns that when we end, as from any program.
    except OSError as error:
        if isinstance(error, KubeboxError):
            raise
        raise InvalidArgument(
            f"standard input cannot be read ({error.strerror}); --no-stdin goes without"
        ) from None
    finally:
        reader.close()


async def _kill(stream: CommandStream) -> None:
    with contextlib.suppress(KubeboxError):  # What went wrong before is what is told.
        await stream.kill()
