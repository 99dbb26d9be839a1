"""A progress bar of bytes, for a person who looks."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from kubebox.cli._visible import visible


@contextmanager
def byte_bar(name: str, total: int | None) -> Generator[Callable[[int], object] | None]:
    """Show how many bytes have gone, on standard error; nothing where that is no terminal.

    Args:
        name: Of what.
        total: How many there are, where that is known.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    from rich.text import Text

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(Text(visible(name)).plain, total=total)
        yield lambda done: shown.update(task, completed=done)
