"""Commands and how their errors are shown."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from kubebox import __version__
from kubebox.cli._summaries import COMMANDS, COMPLETION, KEYS, PURPOSE
from kubebox.errors import KubeboxError

EXIT_OK: Final = 0
EXIT_FOUND: Final = 1
"""A command that looks for something wrong has found it."""
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
"""What shells say of a program that SIGINT ended."""
EXIT_NOBODY_READS: Final = 141
"""The same of SIGPIPE."""
EXIT_ERROR: Final = 255
"""Kubebox itself failed, as ssh says of itself: few commands end so."""

DEBUG_VARIABLE: Final = "KUBEBOX_DEBUG"

app = App(
    name="kubebox",
    help=PURPOSE,
    version=__version__,
    help_format="plaintext",  # Markdown's parser takes longer than all the rest.
    default_parameter=Parameter(negative=()),
)
keys = App(name="keys", help="The key pair that opens your sandboxes.")
app.command(keys)
# Each is imported when it is used.
for name, summary in KEYS.items():
    keys.command(f"kubebox.cli.keys:{name}", help=summary)
for name, summary in COMMANDS.items():
    app.command(f"kubebox.cli.{name}:{name}", help=summary)
app.command("kubebox.cli.completion:install", name="--install-completion", help=COMPLETION)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        tell(f"usage: {_first_line(str(error))} (--help says more)")
        return EXIT_USAGE
    except KubeboxError as error:
        explain(error)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return EXIT_NOBODY_READS
    except Exception as error:
        # The boundary to the person: whatever this is, it is no failure of their command, and a line says so.
        if os.environ.get(DEBUG_VARIABLE):
            raise
        tell(f"internal-error: {type(error).__name__}: {error}; with ${DEBUG_VARIABLE}=1 it says where")
        return EXIT_ERROR
    return result if isinstance(result, int) else EXIT_OK


def explain(error: KubeboxError) -> None:
    """Tell of an error: its stable code, and what its message says to do."""
    tell(f"{error.code}: {error.message}")


def tell(text: str) -> None:
    """Tell something of Kubebox itself: one line on standard error, whatever is in the text."""
    from kubebox.cli._visible import visible

    note(f"kubebox: {visible(text)}")


def write(text: str) -> None:
    """Write a line of a command's result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell the person, beside the result, so that the result can go to a file as it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _forget_stdout() -> None:
    # Python flushes it once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
