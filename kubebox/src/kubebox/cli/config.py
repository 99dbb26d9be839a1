"""`kubebox config`: what holds, and who said so."""

import os
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from kubebox import keys
from kubebox._where import DEFAULT, LOCAL, Setting, config_path, is_url
from kubebox.cli._show import Json, write_json, write_table
from kubebox.cli._target import Target


def config(
    *,
    target: Target = Target(),  # noqa: B008 - frozen
    as_json: Json = False,
) -> None:
    """Print where sandboxes are made and found, and who said so: flags, then variables, then the config file.

    Args:
        target: Flags, to see what they would do.
        as_json: Print one JSON object a line: `name`, `value`, `source`.
    """
    where, name, namespace = target.settings()
    settings = [
        Setting(where.name, _shown(where.value), where.source),
        name,
        namespace,
        _private_key(),
        _server_image(),
        Setting("config_file", str(config_path()), "there" if config_path().exists() else "not there"),
    ]
    if as_json:
        for setting in settings:
            write_json(asdict(setting))
    else:
        rows = [(one.name, one.value or "-", one.source) for one in settings]
        write_table(("SETTING", "VALUE", "SOURCE"), rows)


def _shown(where: str) -> str:
    """A place without its secrets: a kubeconfig may be given whole, and an address may have a password in it."""
    if is_url(where):
        parts = urlsplit(where)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if where == LOCAL or _is_file(where):
        return where
    return "(a kubeconfig's text, or no file that is there)"


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except OSError:
        return False  # text that is no path, for instance far too long for one


def _private_key() -> Setting:
    given = os.environ.get(keys.ENVIRONMENT_VARIABLE, "").strip()
    if given and given != keys.PLACEHOLDER:
        shown = given if _is_file(given) else "(a key's text, or no file that is there)"
        return Setting("private_key", shown, f"${keys.ENVIRONMENT_VARIABLE}")
    path = keys.default_key_path()
    return Setting("private_key", str(path), DEFAULT if path.exists() else f"{DEFAULT}; made at first use")


def _server_image() -> Setting:
    from kubebox.cluster.configuration import IMAGE_VARIABLE, default_image

    given = os.environ.get(IMAGE_VARIABLE)
    if given:
        return Setting("server_image", given, f"${IMAGE_VARIABLE}")
    return Setting("server_image", default_image(), DEFAULT)
