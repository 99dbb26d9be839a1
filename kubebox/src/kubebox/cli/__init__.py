"""The `kubebox` command."""

import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line and exit: 0, what the command says, 2 for a wrong command line, 255 for an error of Kubebox."""
    from kubebox.cli._overview import ASKED, overview

    _open_standard_streams()
    if sys.argv[1:] in ASKED:
        sys.stdout.write(f"{overview()}\n")
        return

    from kubebox.cli.app import run

    sys.exit(run(sys.argv[1:]))


def _open_standard_streams() -> None:
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The caller closed it. Whatever is opened next would take its place, and be written to.
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free is this one
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what cannot be shown is no reason to end
