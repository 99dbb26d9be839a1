"""`kubebox gc`: removing what has expired."""

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli._visible import visible
from kubebox.cli.app import note, write


def gc(*, config: str | None = None, namespace: str | None = None, as_json: Json = False) -> int:
    """Remove sandboxes that have ended or expired, with their services, policies and keys.

    Args:
        config: A kubeconfig (path, YAML, base64 of it); $KUBEBOX_CONFIG.
        namespace: Where they lie, `default` unless given; $KUBEBOX_NAMESPACE.
        as_json: Print one JSON object a line: `removed`.
    """
    return attend(_gc(Target(config=config, namespace=namespace), as_json))


async def _gc(target: Target, as_json: bool) -> None:
    from kubebox.manager import Kubebox

    where, namespace = target.cluster()
    async with Kubebox(where, namespace=namespace) as kubebox:
        removed = await kubebox.collect_garbage()
    for what in removed:
        if as_json:
            write_json({"removed": what})
        else:
            write(visible(what))
    note(f"{len(removed)} removed from namespace {namespace!r}")
