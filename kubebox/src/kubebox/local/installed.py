"""Where the sandbox's server and init are installed on this machine."""

import importlib.util
import sys
from pathlib import Path

from kubebox.errors import LocalUnavailable


def find_server() -> tuple[list[str], str]:
    """The server's argv and init's path.

    Raises:
        LocalUnavailable: They are not installed.
    """
    # The server is started by its command line; its package is located, never imported.
    found = importlib.util.find_spec("kubebox_sandbox")
    folder = (
        Path(next(iter(found.submodule_search_locations)))
        if found and found.submodule_search_locations
        else None
    )
    if folder is None:
        raise LocalUnavailable(
            'the sandbox\'s server is not installed: `pip install "kubebox[local]"`', cause="server-missing"
        )
    init = folder / "bin" / "init"
    if not init.is_file():
        raise LocalUnavailable(
            f"the sandbox's server is installed without init ({init}): this machine may have no wheel. "
            'In a checkout, `make setup` builds it; else `pip install --force-reinstall "kubebox[local]"`',
            cause="init-missing",
        )
    return [sys.executable, "-I", "-m", "kubebox_sandbox"], str(init)
