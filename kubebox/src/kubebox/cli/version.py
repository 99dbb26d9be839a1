"""`kubebox version`."""

import platform

from kubebox import __version__
from kubebox.cli._show import Json, write_json
from kubebox.cli.app import write


def version(*, as_json: Json = False) -> None:
    """Print the versions that a bug report needs.

    Args:
        as_json: Print one JSON object: `kubebox`, `protocol`, `python`, `system`, `machine`.
    """
    from kubebox_protocol.limits import PROTOCOL_VERSION

    if as_json:
        write_json(
            {
                "kubebox": __version__,
                "protocol": PROTOCOL_VERSION,
                "python": platform.python_version(),
                "system": platform.system(),
                "machine": platform.machine(),
            }
        )
        return
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    write(f"kubebox {__version__}, protocol {PROTOCOL_VERSION}, {python}")
