"""Images as they are kept in the cache: one OCI layout, where layers that images share are there once.

Layers are not compressed: disk is cheap, and to compress the base image's takes longer than to build the server's.
"""

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from testcluster.place import CACHE
from testcluster.run import run

LAYOUT: Final = CACHE / "images"
INDEX: Final = LAYOUT / "index.json"

NAME: Final = "org.opencontainers.image.ref.name"
KEY: Final = "dev.kubebox.made-from"
"""Annotations of the index's entries: an image's name, and a digest of what it was made from."""

MOST_STEPS: Final = 400
"""How many steps of builds buildah keeps, to go on from. All images together have eighty, and each build of the server anew
adds twenty, of ten megabytes on the average."""


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


def key_of(name: str) -> str | None:
    """The digest of what a kept image was made from; nothing where it is not there.

    Args:
        name: The image's.
    """
    return next((entry["annotations"][KEY] for entry in _entries() if _name(entry) == name), None)


def digests() -> dict[str, str]:
    """The digest of each kept image's manifest."""
    return {_name(entry): entry["digest"] for entry in _entries()}


def keep(name: str, key: str) -> None:
    """Keep an image of buildah's storage.

    Args:
        name: The image's.
        key: The digest of what it was made from.
    """
    LAYOUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        folder = Path(temporary) / "image"
        buildah("push", "--quiet", "--disable-compression", name, f"dir:{folder}")
        entry = _take(folder)
    others = [each for each in _entries() if _name(each) != name]
    _write_index([*others, {**entry, "annotations": {NAME: name, KEY: key}}])
    _forget_unused()


def write_archive(names: Collection[str], known: Collection[str], file: IO[bytes]) -> None:
    """Write an archive of kept images, as containerd takes it.

    Args:
        names: The images'.
        known: The digests of what the reader has already; it is left out.
        file: Where to.
    """
    entries = [entry for entry in _entries() if _name(entry) in names]
    blobs = sorted({digest for entry in entries for digest in _digests(entry)} - set(known))
    with tarfile.open(fileobj=file, mode="w|") as tar:
        _add(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
        for digest in blobs:
            tar.add(_blob(digest), str(_blob(digest).relative_to(LAYOUT)))
        _add(tar, "index.json", {"schemaVersion": 2, "manifests": entries})


def _add(tar: tarfile.TarFile, name: str, content: object) -> None:
    encoded = json.dumps(content).encode()
    described = tarfile.TarInfo(name)
    described.size = len(encoded)
    tar.addfile(described, io.BytesIO(encoded))


def _take(folder: Path) -> dict[str, Any]:
    """Move an image's files into the layout; the index's entry for it."""
    manifest = folder / "manifest.json"
    content = manifest.read_bytes()
    digest = sha256(content).hexdigest()
    manifest.rename(folder / digest)
    (folder / "version").unlink()
    for file in folder.iterdir():  # each bears the digest of its content
        blob = _blob(f"sha256:{file.name}")
        blob.parent.mkdir(parents=True, exist_ok=True)
        file.rename(blob)
    kind = json.loads(content)["mediaType"]
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _write_index(entries: list[dict[str, Any]]) -> None:
    partial = INDEX.with_suffix(".partial")
    partial.write_text(json.dumps({"schemaVersion": 2, "manifests": entries}, indent=1), encoding="utf-8")
    partial.rename(INDEX)


def _entries() -> list[dict[str, Any]]:
    try:
        index: dict[str, Any] = json.loads(INDEX.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [entry for entry in index["manifests"] if KEY in entry.get("annotations", {})]


def _name(entry: Mapping[str, Any]) -> str:
    return entry["annotations"][NAME]


def _digests(entry: Mapping[str, Any]) -> Iterator[str]:
    """Of all that an image consists of."""
    yield entry["digest"]
    content: dict[str, Any] = json.loads(_blob(entry["digest"]).read_text(encoding="utf-8"))
    for part in (content["config"], *content["layers"]):
        yield part["digest"]


def _blob(digest: str) -> Path:
    return LAYOUT / "blobs" / digest.replace(":", "/")


def _forget_unused() -> None:
    used = {_blob(digest) for entry in _entries() for digest in _digests(entry)}
    for blob in (LAYOUT / "blobs").rglob("*"):
        if blob.is_file() and blob not in used:
            blob.unlink()
    if len(buildah("images", "--all", "--quiet").split()) > MOST_STEPS:
        buildah("rmi", "--prune", "--force")
