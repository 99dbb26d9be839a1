"""`kubebox create`: a sandbox in a cluster."""

from kubebox.cli._attend import attend
from kubebox.cli._making import Making
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli._variables import Variables, read_variables
from kubebox.cli.app import write


def create(
    name: str | None = None,
    *,
    config: str | None = None,
    namespace: str | None = None,
    making: Making = Making(),  # noqa: B008 - frozen
    env: Variables = (),
    timeout: float = 120.0,
    as_json: Json = False,
) -> int:
    """Make a sandbox in a cluster, wait until it is ready, and print its name.

    It lives on until its lifetime is over, or `kubebox kill` ends it. Given up half-way, one
    without a name of your own is removed; one with a name may have been there before, and goes on starting.

    Args:
        name: Small letters, digits and hyphens; one is made up unless given.
        config: A kubeconfig (path, YAML, base64 of it); $KUBEBOX_CONFIG.
        namespace: Where it lies, `default` unless given; $KUBEBOX_NAMESPACE.
        making: What it shall be.
        env: A variable of every command: K=V, or K alone to pass on one's own; may be repeated.
        timeout: Seconds until it is given up.
        as_json: Print one JSON object: `name`, `namespace`, `where` (the cluster's context), `phases` (milliseconds).
    """
    target = Target(config=config, namespace=namespace)
    return attend(_create(name, target, making, read_variables(env), timeout, as_json))


async def _create(
    name: str | None, target: Target, making: Making, env: dict[str, str], timeout: float, as_json: bool
) -> None:
    from kubebox._creation import new_name
    from kubebox.manager import Kubebox

    where, namespace = target.cluster()
    async with Kubebox(where, namespace=namespace) as kubebox:
        pod = kubebox.create_pod(name or new_name(), env=env, **making.options())
        try:
            await pod.wait_until_ready(timeout)
        except BaseException:  # Ctrl-C too
            if name is None:  # else it may have been there before; this one nobody knows
                await pod.destroy()
            raise
        if as_json:
            write_json(
                {
                    "name": pod.name,
                    "namespace": pod.namespace,
                    "where": kubebox.where,
                    "phases": dict(pod.phases),
                }
            )
        else:
            write(pod.name)
