"""`kubebox gc`: removing what has expired."""

import asyncio

from kubebox.cli.app import note, write


def gc(*, config: str | None = None, namespace: str = "default") -> None:
    """Remove sandboxes that have ended or expired, with their services, policies and keys.

    Args:
        config: A kubeconfig; `$KUBEBOX_CONFIG` or the default one unless given.
        namespace: Where they lie.
    """
    asyncio.run(_gc(config, namespace))


async def _gc(config: str | None, namespace: str) -> None:
    from kubebox.manager import Kubebox

    async with Kubebox(config, namespace=namespace) as kubebox:
        removed = await kubebox.collect_garbage()
    for what in removed:
        write(what)
    note(f"{len(removed)} removed from namespace {namespace!r}")
