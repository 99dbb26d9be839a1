"""Showing how far something has come. Nothing of this is imported before it is used."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kubebox._outcomes import MapProgress, OnProgress

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["bar"]


@contextmanager
def bar(description: str = "items", *, console: "Console | None" = None) -> Generator[OnProgress]:
    """A progress bar in the terminal: `with progress.bar() as bar: … Sandbox.map(…, on_progress=bar)`.

    Args:
        description: What stands before it.
        console: Where it is shown; standard error unless given, so that output can be piped on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console or Console(stderr=True)) as shown:
        task = shown.add_task(description, total=None, counts="")

        def tell(progress: MapProgress) -> None:
            counts = [f"{progress.started - progress.finished} running"]
            counts += [f"{progress.failed} failed"] if progress.failed else []
            counts += [f"{progress.retried} retried"] if progress.retried else []
            shown.update(task, total=progress.total, completed=progress.finished, counts=", ".join(counts))

        yield tell
