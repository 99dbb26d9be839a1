"""The list of commands. Written without the parser of command lines, whose import takes several times as long as all of this."""

from typing import Final

from kubebox.cli._summaries import COMMANDS, COMPLETION, PURPOSE

ASKED: Final[tuple[list[str], ...]] = ([], ["--help"], ["-h"])
"""Command lines that ask for it."""


def overview() -> str:
    """What there is to call, and where the rest is said."""
    summaries = {name: text.splitlines()[0].partition(": kubebox")[0] for name, text in COMMANDS.items()}
    summaries |= {"keys": "The key pair that opens your sandboxes.", "--install-completion": COMPLETION}
    width = max(map(len, summaries)) + 2
    return "\n".join(
        [
            "Usage: kubebox COMMAND",
            "",
            PURPOSE,
            "",
            *(f"  {name:{width}}{summary.rstrip('.')}" for name, summary in summaries.items()),
            "",
            "kubebox COMMAND --help says more of one; kubebox config says which sandbox is meant.",
        ]
    )
