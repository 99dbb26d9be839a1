"""Where a sandbox is made when nobody says, and what else is set once for library and command line."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubebox.errors import ConfigurationError
from kubebox.keys import config_folder

URL_VARIABLE: Final = "KUBEBOX_URL"
CONFIG_VARIABLE: Final = "KUBEBOX_CONFIG"
NAME_VARIABLE: Final = "KUBEBOX_NAME"
NAMESPACE_VARIABLE: Final = "KUBEBOX_NAMESPACE"
LOCAL: Final = "local"
DEFAULT: Final = "default"
"""The source of what nobody has set; by chance also the namespace's name then, as Kubernetes calls it."""

_VARIABLES: Final = {
    "where": (URL_VARIABLE, CONFIG_VARIABLE),
    "name": (NAME_VARIABLE,),
    "namespace": (NAMESPACE_VARIABLE,),
}
_DEFAULTS: Final = {"where": LOCAL, "namespace": "default"}


def bracketed(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Setting:
    """What holds, and who said so.

    Attributes:
        name: `where`, `name` or `namespace`; also its key in the user's config file.
        value: What holds; empty where nothing does.
        source: A flag (`--url`), a variable (`$KUBEBOX_URL`), the path of the config file, or `default`.
    """

    name: str
    value: str
    source: str


def find_setting(name: str, /, **flags: str | None) -> Setting:
    """What holds: a flag, then a variable, then the user's config file, then the default.

    Args:
        name: The setting's.
        **flags: What was given with the call, by flag, the strongest first.

    Raises:
        ConfigurationError: The config file cannot be read.
    """
    for flag, value in flags.items():
        if value:
            return Setting(name, value, f"--{flag}")
    for variable in _VARIABLES[name]:
        if value := os.environ.get(variable):
            return Setting(name, value, f"${variable}")
    path = config_path()
    if value := _configured(path, name):
        return Setting(name, value, str(path))
    return Setting(name, _DEFAULTS.get(name, ""), DEFAULT)


def choose_where(where: str | None = None) -> str:
    """Where to make a sandbox: as asked, `$KUBEBOX_URL`, `$KUBEBOX_CONFIG`, the user's config file, `local`.

    Never the current kubectl context: nobody shall try an agent in a cluster that happens to be chosen.

    Raises:
        ConfigurationError: The config file cannot be read.
    """
    return where or find_setting("where").value


def is_url(where: str) -> bool:
    """Whether this is an existing server's address."""
    return where.startswith(("http://", "https://"))


def config_path() -> Path:
    """The user's config file. It need not exist."""
    return config_folder() / "config.toml"


def _configured(path: Path, name: str) -> str | None:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}", path=str(path)) from None
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        example = _DEFAULTS.get(name, "my-sandbox")
        raise ConfigurationError(f'{path}: `{name}` must be text, for instance "{example}"', path=str(path))
    return value
