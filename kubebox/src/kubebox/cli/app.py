"""Commands and how their errors are shown."""

import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

from kubebox import __version__
from kubebox.errors import KubeboxError

EXIT_OK: Final = 0
EXIT_ERROR: Final = 1
EXIT_USAGE: Final = 2

CURL_HELP: Final = """Print a token for one request, good once and for a minute.

curl -H "Authorization: Bearer $(kubebox token GET /v1/sessions --url URL)" URL/v1/sessions
"""

app = App(name="kubebox", help="Computers that LLM agents may break.", version=__version__)
keys = App(name="keys", help="The key pair that opens your sandboxes.")
app.command(keys)
# Each is imported when it is used. So that the list of commands can say what they do all the same, their summaries
# are here.
keys.command("kubebox.cli.keys:generate", help="Make a new private key, and print its public half.")
keys.command(
    "kubebox.cli.keys:show",
    help="Print the public key that sandboxes are given, and where its private half lies.",
)
app.command(
    "kubebox.cli.doctor:doctor", help="Say what a cluster gives and lacks, each with its consequence."
)
app.command("kubebox.cli.gc:gc", help="Remove sandboxes that have ended or expired, with everything of them.")
app.command("kubebox.cli.token:token", help=CURL_HELP)
app.command("kubebox.cli.version:version", help="Print the versions that a bug report needs.")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return EXIT_USAGE
    except KubeboxError as error:
        _explain(error)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return 130  # what shells say of a program that SIGINT ended
    except BrokenPipeError:
        return EXIT_ERROR
    return result if isinstance(result, int) else EXIT_OK


def _explain(error: KubeboxError) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True)
    console.print(Text.assemble(("error", "bold red"), f" [{error.code}] {error.message}"))


def write(text: str) -> None:
    """Write a line of a command's result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell the person, beside the result, so that the result can go to a file as it is."""
    sys.stderr.write(f"{text}\n")
