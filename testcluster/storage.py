"""Images as they are kept in the cache: one OCI layout, where layers that images share are there once."""

import json
import os
import tarfile
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from testcluster.place import CACHE
from testcluster.run import run

LAYOUT: Final = CACHE / "images"
KEYS: Final = CACHE / "images.json"

MOST_STEPS: Final = 200
"""How many steps of builds buildah keeps, to go on from. All images together have fifty, and each build of the server anew
adds ten, of twenty megabytes on the average."""

NAME: Final = "org.opencontainers.image.ref.name"


def buildah(*arguments: str | Path) -> str:
    """Run buildah with a storage of the cache's own, beside which the machine's own images stay untouched.

    Args:
        arguments: buildah's.

    Returns:
        What it printed.

    Raises:
        CommandFailed: With what it complained of.
    """
    # In a mount namespace of its own, since its storage keeps itself mounted.
    command = [
        "unshare",
        "--mount",
        "buildah",
        "--root",
        CACHE / "buildah",
        "--runroot",
        CACHE / "buildah-run",
    ]
    return run(*command, *arguments, environment=os.environ | {"BUILDAH_ISOLATION": "chroot"})


def keys() -> dict[str, str]:
    """What the kept images were made from: a digest for each name."""
    try:
        return json.loads(KEYS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def keep(name: str, key: str) -> None:
    """Keep an image of buildah's storage.

    Args:
        name: The image's.
        key: The digest of what it was made from.
    """
    LAYOUT.mkdir(parents=True, exist_ok=True)
    buildah("push", "--quiet", name, f"oci:{LAYOUT}:{name}")
    _forget_unused()
    if len(buildah("images", "--all", "--quiet").split()) > MOST_STEPS:
        buildah("rmi", "--prune", "--force")
    partial = KEYS.with_suffix(".partial")
    partial.write_text(json.dumps(keys() | {name: key}, indent=1), encoding="utf-8")
    partial.rename(KEYS)


def digests() -> dict[str, str]:
    """The digest of each kept image's manifest."""
    return {entry["annotations"][NAME]: entry["digest"] for entry in _entries()}


@contextmanager
def archive(names: list[str]) -> Generator[Path]:
    """An archive of some kept images, for as long as it is needed.

    Args:
        names: The images'.
    """
    entries = [entry for entry in _entries() if entry["annotations"][NAME] in names]
    with tempfile.NamedTemporaryFile(dir=CACHE, suffix=".tar") as file:
        _write(file, entries)
        yield Path(file.name)


def _write(file: IO[bytes], entries: list[dict[str, Any]]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        index = {"schemaVersion": 2, "manifests": entries}
        with tempfile.NamedTemporaryFile() as described:
            described.write(json.dumps(index).encode())
            described.flush()
            tar.add(described.name, "index.json")
        tar.add(LAYOUT / "oci-layout", "oci-layout")
        for blob in sorted({path for entry in entries for path in _blobs(entry)}):
            tar.add(blob, str(blob.relative_to(LAYOUT)))
    file.flush()


def _entries() -> list[dict[str, Any]]:
    """The kept images. One that was built anew has left its former self behind, without a name."""
    try:
        index: dict[str, Any] = json.loads((LAYOUT / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [entry for entry in index["manifests"] if NAME in entry.get("annotations", {})]


def _blobs(entry: Mapping[str, Any]) -> Iterator[Path]:
    """The files that an image consists of."""
    manifest = _blob(entry["digest"])
    yield manifest
    content = json.loads(manifest.read_text(encoding="utf-8"))
    for part in (content["config"], *content["layers"]):
        yield _blob(part["digest"])


def _blob(digest: str) -> Path:
    return LAYOUT / "blobs" / digest.replace(":", "/")


def _forget_unused() -> None:
    used = {blob for entry in _entries() for blob in _blobs(entry)}
    for blob in (LAYOUT / "blobs").rglob("*"):
        if blob.is_file() and blob not in used:
            blob.unlink()
