"""`kubebox kill`: the end of sandboxes."""

from kubebox.cli._attend import attend
from kubebox.cli._show import Json, write_json
from kubebox.cli._target import Target
from kubebox.cli.app import EXIT_OK, write
from kubebox.errors import InvalidArgument


def kill(
    *names: str,
    config: str | None = None,
    namespace: str | None = None,
    as_json: Json = False,
) -> int:
    """End sandboxes of a cluster, with everything of them. `kubebox stop` ends a command in one.

    Args:
        names: Theirs, as `kubebox list` gives them.
        config: A kubeconfig (path, YAML, base64 of it); $KUBEBOX_CONFIG.
        namespace: Where they lie, `default` unless given; $KUBEBOX_NAMESPACE.
        as_json: Print one JSON object a line: `name`, `namespace`.
    """
    if not names:
        raise InvalidArgument("name the sandboxes to end; `kubebox list` shows those that are there")
    return attend(_kill(names, Target(config=config, namespace=namespace), as_json))


async def _kill(names: tuple[str, ...], target: Target, as_json: bool) -> int:
    from kubebox.cli._reach import find_pod
    from kubebox.manager import Kubebox

    where, namespace = target.cluster()
    async with Kubebox(where, namespace=namespace) as kubebox:
        for pod in [await find_pod(kubebox, name) for name in names]:
            await pod.destroy()
            if as_json:
                write_json({"name": pod.name, "namespace": pod.namespace})
            else:
                write(pod.name)
    return EXIT_OK
