"""`kubebox version`."""

import platform

from kubebox import __version__
from kubebox.cli.app import write


def version() -> None:
    """Print the versions that a bug report needs."""
    from kubebox_protocol.limits import PROTOCOL_VERSION

    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    write(f"kubebox {__version__}, protocol {PROTOCOL_VERSION}, {python}")
