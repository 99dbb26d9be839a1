"""What a local sandbox can be: some of what a pod is described with, only a cluster has."""

from kubebox._backend import PodSpecification
from kubebox.errors import NotSupported


def check(specification: PodSpecification) -> None:
    """Refuse what a local sandbox cannot be.

    Raises:
        NotSupported: With what to do instead.
    """
    cluster = "use a cluster"
    reasons = {
        "roots": (specification.roots, f"sessions lie beneath /workspace; to choose where, {cluster}"),
        "image": (
            specification.image,
            f"a local workspace shows this machine's own system; to choose an image, {cluster}",
        ),
        "ports": (specification.ports, f"a local sandbox opens no port but its server's; {cluster}"),
        "runtime_class": (specification.runtime_class, f"runtime classes are Kubernetes'; {cluster}"),
        "pod": (specification.pod, f"there is no Pod to merge it into; {cluster}"),
        'profile="root"': (
            specification.profile == "root",
            f"a local workspace has no root; install into its home (`pip install --user`), or {cluster}",
        ),
    }
    for option, (given, instead) in reasons.items():
        if given:
            raise NotSupported(f"local sandboxes have no {option}: {instead}", option=option)
    if specification.network not in ("none", "internet"):
        raise NotSupported(
            'a local sandbox has network="none" or "internet"; a list of networks needs a cluster',
            option="network",
        )
