"""Files of this machine that come from a sandbox or go there: what they may be, and how what the machine refuses is told."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kubebox.errors import KubeboxError, LocalFileError

PERMISSIONS: Final = 0o777
"""Who may, not as whom: set-user-id has no meaning on another machine, and what a sandbox sends makes nobody somebody else."""

DRAFT_MODE: Final = 0o600
"""A file is its owner's until it is whole."""

NEW_DRAFT: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)  # fmt: skip
"""How a file is opened that is written beside its place."""


def draft_name() -> str:
    """The name of something that has none of its own yet; nobody else's, and nobody's guess."""
    return f".kubebox-{secrets.token_hex(12)}"


def changed(path: str | Path) -> LocalFileError:
    """What is told of a file that did not hold still."""
    return LocalFileError(
        f"{path}: it changed while it was read; try again when nobody writes to it", path=str(path)
    )


@contextmanager
def told(path: Path) -> Generator[None]:
    """Tell of what this machine refuses."""
    try:
        yield
    except KubeboxError:  # Several of them are an OSError, too.
        raise
    except OSError as error:
        raise LocalFileError(f"{path}: {error.strerror or error}", path=str(path)) from error
