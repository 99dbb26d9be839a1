"""Putting images into the node."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

from testcluster import storage
from testcluster.node import within
from testcluster.place import CACHE, Place
from testcluster.run import run

NAMESPACE: Final = "k8s.io"
"""Where containerd keeps what is Kubernetes'."""

BY_CONTENT: Final = "sha256:"
"""How names begin that tell an image's content."""

ANSWER_SECONDS: Final = 5.0
"""How long containerd may take to remove something. A pod's helper that was killed is never answered for."""


def load_images(place: Place, names: Iterable[str]) -> None:
    """Put kept images into the node, those that it does not have yet.

    Args:
        place: The cluster's; its containerd runs.
        names: The images'.

    Raises:
        CommandFailed: containerd does not take them.
    """
    there, kept = _images(place), storage.digests()
    lacking = [name for name in names if there.get(name) != kept[name]]
    if lacking:
        known = ctr(place, "content", "list", "--quiet").split()
        with tempfile.TemporaryFile(dir=CACHE) as archive:
            storage.write_archive(lacking, known, archive)
            _import(place, archive)


def load_foreign(place: Place, name: str) -> None:
    """Put an image of the machine's own buildah or podman into the node.

    Args:
        place: The cluster's; its containerd runs.
        name: The image's.

    Raises:
        CommandFailed: There is no such image, or containerd does not take it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tar"
        run("buildah", "push", "--quiet", name, f"oci-archive:{path}:{name}")
        with path.open("rb") as archive:
            _import(place, archive)


def remove_containers(place: Place) -> bool:
    """Remove what containers are left of pods that nobody will end any more, with their layers.

    Args:
        place: The cluster's; its containerd runs, its kubelet does not.

    Returns:
        Whether there were any.

    Raises:
        CommandFailed: containerd does not want to, or does not answer.
    """
    containers = ctr(place, "containers", "list", "--quiet", seconds=ANSWER_SECONDS).split()
    tasks = set(ctr(place, "tasks", "list", "--quiet", seconds=ANSWER_SECONDS).split())
    for container in containers:
        if container in tasks:
            ctr(place, "tasks", "delete", "--force", container, seconds=ANSWER_SECONDS)
        ctr(place, "containers", "delete", container, seconds=ANSWER_SECONDS)
    return bool(containers)


def ctr(place: Place, *arguments: str, given: IO[bytes] | None = None, seconds: float | None = None) -> str:
    """Ask containerd.

    Args:
        place: The cluster's.
        arguments: ctr's.
        given: A file that it reads.
        seconds: How long it may take.

    Returns:
        What it printed.

    Raises:
        CommandFailed: With what it complained of.
    """
    command = ("ctr", "--address", str(place.containerd_socket), "--namespace", NAMESPACE, *arguments)
    return run(*within(place, *command), given=given, seconds=seconds)


def _import(place: Place, archive: IO[bytes]) -> None:
    archive.seek(0)
    ctr(place, "images", "import", "-", given=archive)
    # Kubernetes' side of containerd knows each image by its content, too, and keeps it when the name has gone to another.
    images = _images(place)
    named = {content for name, content in images.items() if not name.startswith(BY_CONTENT)}
    unused = [name for name, content in images.items() if content not in named]
    if unused:
        ctr(place, "images", "remove", *unused)


def _images(place: Place) -> dict[str, str]:
    """The digest of each image that the node has."""
    lines = ctr(place, "images", "list").splitlines()[1:]
    return {fields[0]: fields[2] for fields in map(str.split, lines)}
