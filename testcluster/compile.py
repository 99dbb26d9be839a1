"""Compiling Go programs into the cache, each once for the sources that it has."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from testcluster.errors import CommandFailed
from testcluster.lock import lock
from testcluster.place import CACHE, ROOT
from testcluster.run import run

KUBERNETES_VERSION: Final = "1.34.4"
"""The last minor version that runs on cgroup v1 without a switch. `node/go.mod` has the same."""

NOT_SOURCES: Final = frozenset({"__pycache__", ".pytest_cache", "bin", "build", "tests"})
"""Folders that nothing is made from."""


def find_go() -> str:
    """The path of Go: the machine's, or the one that `scripts/find_go.py` puts into the cache."""
    return shutil.which("go") or run(sys.executable, ROOT.parent / "scripts" / "find_go.py").strip()


def digest(paths: Iterable[Path]) -> str:
    """A short digest of files' names and contents.

    Args:
        paths: Files, and folders whose files all count but for those in `NOT_SOURCES`.
    """
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and NOT_SOURCES.isdisjoint(file.relative_to(path.parent).parts):
                found.update(f"{file.relative_to(path.parent)}\0".encode())
                found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def compile_go(module: Path, package: str, target: Path, flags: str = "-s -w") -> None:
    """Compile a program, unless it is there.

    Args:
        module: The folder of the Go module.
        package: The package in it, or that it depends on.
        target: Where the program goes.
        flags: For Go's linker.

    Raises:
        CommandFailed: It could not be compiled; the compiler has said why on standard error.
    """
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"testcluster: compiling {target.name}", file=sys.stderr)
    partial = target.with_name(f".{target.name}.partial")
    command = [find_go(), "build", "-trimpath", "-ldflags", flags, "-o", str(partial), package]
    done = subprocess.run(
        command, cwd=module, env=os.environ | {"CGO_ENABLED": "0"}, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise CommandFailed(command, done.returncode, "see above")
    partial.rename(target)


def node() -> Path:
    """The path of the program with all components of Kubernetes; whether it is there, `is_built` says."""
    return _kubernetes() / "node"


def kubectl() -> Path:
    """The path of kubectl."""
    return _kubernetes() / "kubectl"


def is_built() -> bool:
    """Whether both are there."""
    return node().exists() and kubectl().exists()


def build() -> None:
    """Compile both: minutes the first time, nothing afterwards.

    Raises:
        CommandFailed: It could not be compiled.
    """
    if not is_built():
        with lock("compile"):
            _build()


def _build() -> None:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    stamp = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in version.items())
    for package, target in ((".", node()), ("./kubectl", kubectl())):
        compile_go(ROOT / "node", package, target, f"-s -w {stamp}")
    for old in _kubernetes().parent.iterdir():
        if old != _kubernetes():
            shutil.rmtree(old)


def _kubernetes() -> Path:
    return CACHE / "kubernetes" / digest([ROOT / "node"])
