"""What to use in a cluster: its address and credentials, and the image of the sandboxes' server."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import kubebox
from kubebox.errors import ConfigurationError
from kubebox_cluster import policies
from kubebox_cluster.errors import ConfigInvalid
from kubebox_cluster.kubeconfig import read_target
from kubebox_cluster.target import Target

IMAGE_VARIABLE: Final = "KUBEBOX_IMAGE"

CLOSED_VARIABLE: Final = "KUBEBOX_CLOSED_NETWORKS"
"""Networks of nodes and the like with public addresses, separated by commas: closed even with `network="internet"`. The API
server is closed by itself where the kubeconfig has its address."""

OUTPUT_SECONDS: Final = 60.0
"""Seconds for OpenTofu to print its outputs: a remote state has to be read."""

KUBECONFIG_OUTPUT: Final = "kubeconfig"
IMAGE_OUTPUT: Final = "sandbox_image"


@dataclass(frozen=True)
class Configuration:
    """A cluster to use.

    Attributes:
        target: Where it is, and as whom it is used.
        image: The image of the sandboxes' server.
        closed: Networks that no sandbox reaches, besides those that none ever does.
    """

    target: Target
    image: str
    closed: tuple[str, ...] = ()


def read_configuration(
    config: str | Path | Mapping[str, Any] | None, terraform_path: str | Path | None
) -> Configuration:
    """Find out which cluster to use.

    Args:
        config: A kubeconfig as path, YAML text, base64 of it, or dict; `None` for the default one.
        terraform_path: A folder whose OpenTofu (or Terraform) outputs say the rest: `kubeconfig` and `sandbox_image`.

    Raises:
        ConfigurationError: It cannot be found out, and why.
    """
    outputs = {} if terraform_path is None else _outputs(Path(terraform_path))
    given = config if config is not None else outputs.get(KUBECONFIG_OUTPUT)
    image = os.environ.get(IMAGE_VARIABLE) or outputs.get(IMAGE_OUTPUT) or default_image()
    try:
        target = read_target(given)
    except ConfigInvalid as error:
        raise ConfigurationError(str(error)) from None
    return Configuration(target, image, _closed(target))


def _closed(target: Target) -> tuple[str, ...]:
    given = [one.strip() for one in os.environ.get(CLOSED_VARIABLE, "").split(",") if one.strip()]
    try:
        closed = policies.networks(given)
    except ValueError as error:
        raise ConfigurationError(f"${CLOSED_VARIABLE}: {error}") from None
    with contextlib.suppress(ValueError):  # a name; whoever resolves it may get another address than pods do
        closed += policies.networks([urlsplit(target.server).hostname or ""])
    return tuple(closed)


def default_image() -> str:
    """The image of this version, as `sandbox/COMMANDS.md` builds and names it."""
    return f"kubebox-sandbox:{kubebox.__version__}"


def _outputs(folder: Path) -> dict[str, str]:
    program = shutil.which("tofu") or shutil.which("terraform")
    if program is None:
        raise ConfigurationError(
            f"terraform_path={str(folder)!r} needs OpenTofu (`tofu`) or Terraform in PATH, to read its outputs"
        )
    try:
        said = subprocess.run(
            [program, f"-chdir={folder}", "output", "-json", "-no-color"],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=OUTPUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"{program} cannot print the outputs of {folder}: {error}") from None
    if said.returncode:
        why = said.stderr.decode(errors="replace").strip()[-500:]
        raise ConfigurationError(f"{program} cannot print the outputs of {folder}: {why}")
    return _texts(said.stdout, folder)


def _texts(printed: bytes, folder: Path) -> dict[str, str]:
    try:
        outputs: Any = json.loads(printed)
        values = {name: entry["value"] for name, entry in cast("dict[str, Any]", outputs).items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigurationError(
            f"the outputs of {folder} are not in the form that OpenTofu prints"
        ) from None
    return {name: value for name, value in values.items() if isinstance(value, str)}
