"""Where something is copied from or to: a path of this machine, or of a sandbox."""

import os
from dataclasses import dataclass, replace

from kubebox.cli._target import Target
from kubebox.errors import InvalidArgument


@dataclass(frozen=True)
class Spot:
    """A place that a command line names.

    Attributes:
        sandbox: The sandbox's name, empty for the one that flags mean; `None` for this machine.
        path: The path there.
    """

    sandbox: str | None
    path: str

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        return self.sandbox is None

    @property
    def is_stream(self) -> bool:
        """Whether it is this process's standard input or output."""
        return self.is_here and self.path == "-"

    @property
    def means_content(self) -> bool:
        """Whether a folder so named is meant without its name: `folder/.`, `.`, `..`, or nothing."""
        return self.path.rpartition("/")[2] in (".", "..") or self.path == ""

    @property
    def is_folder(self) -> bool:
        """Whether it says of itself that it is a folder."""
        return self.path.endswith("/") or self.means_content


def read_spot(text: str) -> Spot:
    """Read what a command line says: `[SANDBOX]:PATH` is in a sandbox; all else is here, and so is `./a:b`."""
    name, colon, path = text.partition(":")
    is_drive = os.name == "nt" and len(name) == 1
    if not colon or "/" in name or is_drive:
        return Spot(None, text)
    return Spot(name, path)


def target_of(source: Spot, to: Spot, target: Target) -> Target:
    """The sandbox that one of both is in.

    Raises:
        InvalidArgument: It is not one of both, or flags name another sandbox.
    """
    if source.is_here == to.is_here:
        raise InvalidArgument(
            "one of both must be in a sandbox: [NAME]:PATH, with a colon; ./a:b is a file of this machine"
            if source.is_here
            else "both are in a sandbox; `kubebox run -- cp` copies in one"
        )
    name = to.sandbox if source.is_here else source.sandbox
    if not name:
        return target
    if target.name not in (None, name):
        raise InvalidArgument(f"--name says {target.name!r}, and the path {name!r}")
    return replace(target, name=name)
