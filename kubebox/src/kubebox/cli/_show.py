"""What persons and programs are shown: tables and JSON, neither with a byte that a terminal would obey."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

from cyclopts import Parameter

from kubebox.cli._visible import visible
from kubebox.cli.app import write

Json: TypeAlias = Annotated[bool, Parameter(name="--json")]
"""The flag for programs: one JSON object a line."""

WIDE: Final = 100_000
"""Columns of what is no terminal: nothing is cut there."""


def write_json(fields: Mapping[str, Any]) -> None:
    """Write a line for programs: ASCII, so that no name in it can do anything."""
    write(json.dumps(fields, ensure_ascii=True))


def write_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; of its last column, a narrow terminal may see several lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(
        force_terminal=terminal, width=None if terminal else WIDE, highlight=False, legacy_windows=False
    )
    table = Table(box=None, pad_edge=False, header_style="bold" if terminal else "")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != headings[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    with console.capture() as captured:
        console.print(table)
    # Columns are padded to their width, and nobody wants blanks at the end of a line.
    write("\n".join(line.rstrip() for line in captured.get().splitlines()))


def duration(seconds: float) -> str:
    """A time as people say it: the largest unit that is not zero, and one more where that says something."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 2 * 3600:
        return f"{whole // 60}m"
    return f"{whole // 3600}h" if whole < 48 * 3600 else f"{whole // 86400}d"
