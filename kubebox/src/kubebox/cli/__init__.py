"""The `kubebox` command."""

import sys


def main() -> None:
    """Run the command line and exit: 0, 1 for an error of Kubebox, 2 for a wrong command line."""
    from kubebox.cli.app import run

    sys.exit(run(sys.argv[1:]))
