"""Where a sandbox is made when nobody says."""

import os
import tomllib
from pathlib import Path
from typing import Final

from kubebox.errors import ConfigurationError
from kubebox.keys import config_folder

URL_VARIABLE: Final = "KUBEBOX_URL"
CONFIG_VARIABLE: Final = "KUBEBOX_CONFIG"
LOCAL: Final = "local"


def choose_where(where: str | None = None) -> str:
    """Where to make a sandbox: as asked, `$KUBEBOX_URL`, `$KUBEBOX_CONFIG`, the user's config file, `local`.

    Never the current kubectl context: nobody shall try an agent in a cluster that happens to be chosen.

    Raises:
        ConfigurationError: The config file cannot be read.
    """
    return (
        where
        or os.environ.get(URL_VARIABLE)
        or os.environ.get(CONFIG_VARIABLE)
        or _configured(config_folder() / "config.toml")
        or LOCAL
    )


def is_url(where: str) -> bool:
    """Whether this is an existing server's address."""
    return where.startswith(("http://", "https://"))


def _configured(path: Path) -> str | None:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}", path=str(path)) from None
    where = content.get("where")
    if where is not None and not isinstance(where, str):
        raise ConfigurationError(f'{path}: `where` must be text, for instance "local"', path=str(path))
    return where
