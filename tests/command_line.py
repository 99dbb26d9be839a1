"""The real command, as a process: with pipes, or with a person at a terminal."""

import fcntl
import json
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

KUBEBOX = str(Path(sys.executable).with_name("kubebox"))
PATIENCE = 60.0
"""Seconds that anything here may take on a busy machine."""


class Cli:
    """The command with an environment of the test's own.

    Attributes:
        variables: What is set for it; without KUBEBOX_URL a sandbox is made for each command.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEBOX_")}
        self.variables = {**kept, **variables}

    def run(
        self, *arguments: str, stdin: bytes = b"", prefix: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, by another program where there is a prefix."""
        return subprocess.run(
            [*prefix, KUBEBOX, *arguments],
            input=stdin,
            capture_output=True,
            env=self.variables,
            timeout=PATIENCE,
            check=False,
        )

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Run it to a good end, and read what it prints for programs."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def line(self, *arguments: str) -> str:
        """Run it to a good end, and give the one line that it prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.decode().splitlines()
        return line

    @contextmanager
    def start(
        self,
        *arguments: str,
        stdin: int | IO[bytes] = subprocess.PIPE,
        stdout: int | IO[bytes] = subprocess.PIPE,
    ) -> Generator[subprocess.Popen[bytes]]:
        """Start it, with pipes unless told otherwise, and end it if it has not ended."""
        with subprocess.Popen(
            [KUBEBOX, *arguments], env=self.variables, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def person(self, *arguments: str, rows: int = 24, columns: int = 80) -> Generator["Person"]:
        """Start it at a terminal of its own."""
        ours, theirs = os.openpty()
        _set_size(ours, rows, columns)
        process = subprocess.Popen(
            [KUBEBOX, *arguments],
            env=self.variables | {"TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        )
        try:
            yield Person(process, ours, theirs)
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)


class Person:
    """Somebody at a terminal. The test holds the terminal open too, and so can look at its modes to the last."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int, theirs: int) -> None:
        self.process = process
        self._ours = ours
        self._theirs = theirs
        self._before = termios.tcgetattr(theirs)
        self.seen = b""

    def types(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def sees_a_prompt(self) -> None:
        """Read until a shell waits: root's ends otherwise than everybody's."""
        self._reads_until(re.compile(rb"[$#] \Z"))

    def sees(self, wanted: bytes) -> bytes:
        """Read until something is shown, and forget all until then."""
        return self._reads_until(re.compile(re.escape(wanted)))

    def _reads_until(self, wanted: "re.Pattern[bytes]") -> bytes:
        deadline = time.monotonic() + PATIENCE
        while (found := wanted.search(self.seen)) is None:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{wanted.pattern!r} was not shown, but {self.seen!r}"
            self.seen += os.read(self._ours, 65536)
        shown, self.seen = self.seen[: found.start()], self.seen[found.end() :]
        return shown

    def resizes(self, rows: int, columns: int) -> None:
        _set_size(self._ours, rows, columns)

    def sees_the_end(self) -> int:
        """Wait for the exit code, and read on meanwhile."""
        pidfd = os.pidfd_open(self.process.pid)
        deadline = time.monotonic() + PATIENCE
        try:
            while self.process.poll() is None:
                ready, _, _ = select.select(
                    [self._ours, pidfd], [], [], max(0.0, deadline - time.monotonic())
                )
                assert ready, f"it did not end; it showed {self.seen!r}"
                if self._ours in ready:
                    self.seen += os.read(self._ours, 65536)
        finally:
            os.close(pidfd)
        while select.select([self._ours], [], [], 0)[0]:
            self.seen += os.read(self._ours, 65536)
        return self.process.returncode

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was before."""
        return termios.tcgetattr(self._theirs) == self._before


def _set_size(descriptor: int, rows: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
