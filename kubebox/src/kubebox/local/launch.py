"""Where a supervisor's process begins: `python -I -S launch.py`.

Importing `kubebox` would bring the whole client along, and needs the folder of third-party packages, which
`-S` leaves out so that the start takes milliseconds. So the package is put in place by hand, empty, with its
path alone.
"""

import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Run a supervisor until its sandbox is gone."""
    package = ModuleType("kubebox")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["kubebox"] = package
    from kubebox.local.supervise import supervise

    sys.exit(supervise())


if __name__ == "__main__":
    main()
