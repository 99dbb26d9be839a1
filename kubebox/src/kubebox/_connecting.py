"""Finding sandboxes that are there: one by its name or address, or all of them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kubebox._creation import enter, in_time, reach
from kubebox._listing import SandboxInfo, check_metadata
from kubebox._owned import Owned
from kubebox._where import LOCAL, choose_where, is_url
from kubebox.errors import InvalidArgument, NotSupported, PodNotReady

if TYPE_CHECKING:
    from kubebox.sandbox import Sandbox


async def connect(
    cls: "type[Sandbox]",
    id_or_url: str,
    where: str | None,
    private_key: str | Path | None,
    namespace: str | None,
    timeout: float,
) -> "Sandbox":
    """See `Sandbox.connect`."""
    if is_url(id_or_url):
        given = {"where": where, "namespace": namespace}
        if any(value is not None for value in given.values()):
            raise InvalidArgument(f"{id_or_url} says where the sandbox is: leave {' and '.join(given)} out")
        return await reach(cls, id_or_url, private_key, {}, timeout, guest=True)
    chosen = choose_where(where)
    _refuse(chosen, f"Sandbox.connect({id_or_url!r})")
    if chosen == LOCAL:
        raise NotSupported(
            "a local sandbox belongs to the program that made it, and ends with it, so no other one can find it by its "
            f"id ({id_or_url!r}). While that program runs, Sandbox.connect(URL, private_key=…) reaches it by the address "
            "of its server (`sandbox.client.url`)",
            option="connect()",
        )
    from kubebox.manager import Kubebox

    kubebox = Kubebox(chosen, private_key=private_key)

    async def steps() -> "Sandbox":
        try:
            pod, found = await kubebox.find_pod(id_or_url, namespace)
        except BaseException:  # cancellation too: nobody would close it
            await asyncio.to_thread(kubebox.close)
            raise
        owned = Owned(kubebox, pod, found.metadata)
        return await enter(cls, owned, timeout, given_up=owned.leave, guest=True)

    late = f"sandbox {id_or_url!r} did not answer within {timeout:g} s; it lives on"
    return await in_time(steps, timeout, lambda: PodNotReady(late))


async def list_sandboxes(
    where: str | None,
    metadata: Mapping[str, str],
    ended: bool,
    private_key: str | Path | None,
    namespace: str | None,
) -> list[SandboxInfo]:
    """See `Sandbox.list`."""
    wanted, chosen = check_metadata(metadata), choose_where(where)
    _refuse(chosen, "Sandbox.list()")
    from kubebox.manager import Kubebox

    async with Kubebox(chosen, private_key=private_key) as kubebox:
        found = await kubebox.get_all_sandboxes(namespace, ended=ended)
    return [one for one in found if one.has(wanted)]


def _refuse(chosen: str, what: str) -> None:
    if is_url(chosen):
        raise NotSupported(
            f"{chosen} is the address of one sandbox, so there is nothing to look in: {what} needs a cluster "
            "(`where=`); Sandbox.connect(URL) reaches this one",
            option="where",
        )
