"""Where `Kubebox` runs sandboxes: this machine, or a cluster."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubebox._backend import Backend
from kubebox._where import CONFIG_VARIABLE, LOCAL
from kubebox.errors import ConfigurationError


def choose_backend(
    config: str | Path | Mapping[str, Any] | None, terraform_path: str | Path | None
) -> Backend:
    """The place that a config means; see `Kubebox`.

    Raises:
        ConfigurationError: There is no such place, or it cannot be used, and why.
    """
    chosen = config if config is not None or terraform_path is not None else os.environ.get(CONFIG_VARIABLE)
    if isinstance(chosen, str) and chosen.strip() == LOCAL:
        if terraform_path is not None:
            raise ConfigurationError('terraform_path describes a cluster, and "local" is this machine')
        from kubebox.local.backend import LocalBackend  # only here: it needs modules that only Linux has

        return LocalBackend()
    # Only here: a local sandbox starts sooner without what clusters need.
    from kubebox.cluster.backend import ClusterBackend
    from kubebox.cluster.configuration import read_configuration

    return ClusterBackend(read_configuration(chosen or None, terraform_path))
