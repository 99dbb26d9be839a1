"""`kubebox list`: the sandboxes of a cluster."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, duration, write_json, write_table
from kubebox.cli._target import Target

if TYPE_CHECKING:
    from kubebox.cluster.summaries import PodSummary


def list(
    *,
    config: str | None = None,
    namespace: str | None = None,
    as_json: Json = False,
) -> int:
    """List the sandboxes of a cluster, oldest first, whoever made them.

    Args:
        config: A kubeconfig (path, YAML, base64 of it); $KUBEBOX_CONFIG.
        namespace: Where they lie, `default` unless given; $KUBEBOX_NAMESPACE.
        as_json: Print one JSON object a line: `name`, `namespace`, `state` (`ready`, `starting`, `failed`, `ended`), `reason`,
            `created` (Unix time), `username`, `image`.
    """
    return attend(_list(Target(config=config, namespace=namespace), as_json))


async def _list(target: Target, as_json: bool) -> None:
    from kubebox.cluster.configuration import read_configuration
    from kubebox.cluster.summaries import list_pods
    from kubebox_cluster.api import Api

    where, namespace = target.cluster()
    async with Api(read_configuration(where, None).target) as api:
        found = await list_pods(api, namespace)
    if as_json:
        for one in found:
            write_json(asdict(one))
    else:
        write_table(("NAME", "STATE", "AGE", "USER", "IMAGE", "WAITS FOR"), [_row(one) for one in found])


def _row(one: "PodSummary") -> tuple[str, ...]:
    age = duration(time.time() - one.created)
    return one.name, one.state, age, one.username or "", one.image or "", one.reason
