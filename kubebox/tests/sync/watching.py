"""Eyes for what is left behind, and programs of their own."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

PATIENCE = 30.0
"""Seconds that anything here may take on a busy machine."""

HEAD = """
import os, signal, sys, threading
from kubebox.sync import Sandbox, errors

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control has it ignored in what it starts
"""


def loops() -> list[threading.Thread]:
    """The threads of `kubebox.sync`."""
    return [thread for thread in threading.enumerate() if thread.name == "kubebox-sync"]


def start(program: str) -> subprocess.Popen[str]:
    """Start a program that complains of whatever it leaves."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HEAD + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def finish(program: subprocess.Popen[str]) -> tuple[str, str, int]:
    """Wait for a program's end: what more it wrote, to either stream, and its code."""
    try:
        out, err = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
    return out, err, program.returncode


def line_of(program: subprocess.Popen[str]) -> str:
    """The next line that a program writes."""
    assert program.stdout is not None
    return program.stdout.readline().strip()


def descendants(pid: int) -> list[int]:
    """The processes beneath one."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # It may end meanwhile,
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # and so may a thread of it.
                found += [int(child) for child in path.read_text().split()]
    return [*found, *(deeper for child in found for deeper in descendants(child))]
