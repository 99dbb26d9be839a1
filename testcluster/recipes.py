"""The images that tests need, each as what it is made from and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testcluster import fill
from testcluster.compile import digest
from testcluster.configuration import PAUSE_IMAGE
from testcluster.place import ROOT

REPOSITORY: Final = ROOT.parent
SOURCES: Final = ROOT / "images"

BASE_IMAGE: Final = "localhost/kubebox-base:1"
SANDBOX_IMAGE: Final = "localhost/kubebox-sandbox:test"
"""The default image: the server, and a development environment."""
SERVER_IMAGE: Final = "localhost/kubebox-server:test"
"""The server and init alone."""

SETTINGS: Final = (
    "GONOSUMDB", "GOPROXY", "GOSUMDB", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST", "SSL_CERT_FILE",
)  # fmt: skip
"""Environment variables with which a machine tells its way to packages; a build has them, the image does not."""

FILES: Final = ("PIP_CERT", "SSL_CERT_FILE")
"""Those that name files."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an image is made.

    Attributes:
        file: The Containerfile.
        inputs: The files and folders that it depends on.
        prepare: Fills a folder, which is a copy of the Containerfile's, with what the build needs besides. Without it
            the context is the repository.
        base: The image that it is based on.
        target: The stage of the Containerfile that the image is, where it is not the last one.
        go: Whether the build has the machine's Go.
    """

    file: Path
    inputs: tuple[Path, ...]
    prepare: Callable[[Path], object] | None = None
    base: str | None = None
    target: str = ""
    go: bool = False

    def key(self) -> str:
        """A digest of all that it is made from."""
        own = f"{self.target} {digest(self.inputs)}".strip()
        return own if self.base is None else f"{own} on {RECIPES[self.base].key()}"


def _own(
    name: str,
    prepare: Callable[[Path], object] | None = None,
    *more: Path,
    base: str | None = None,
) -> Recipe:
    folder = SOURCES / name
    return Recipe(
        file=folder / "Containerfile", inputs=(folder, *more), prepare=prepare or _nothing, base=base
    )


def _nothing(folder: Path) -> None:
    """The Containerfile's folder is all that the build needs."""


def _sandbox(target: str) -> Recipe:
    return Recipe(
        file=REPOSITORY / "sandbox" / "Dockerfile",
        inputs=tuple(
            REPOSITORY / each for each in ("protocol", "sandbox", "init", "uv.lock", ".dockerignore")
        ),
        base=BASE_IMAGE,
        target=target,
        go=True,
    )


RECIPES: Final[Mapping[str, Recipe]] = {
    PAUSE_IMAGE: _own("pause", lambda folder: fill.compile_program("pause", folder / "pause")),
    "localhost/kubebox-test-static:1": _own(
        "static", lambda folder: fill.compile_program("static", folder / "program")
    ),
    "localhost/kubebox-test-musl:1": _own("musl", fill.make_musl_root, Path(fill.__file__)),
    BASE_IMAGE: _own("base", fill.make_root, Path(fill.__file__)),
    "localhost/kubebox-test-user:1": _own("user", base=BASE_IMAGE),
    "localhost/kubebox-test-benchmark:1": _own("benchmark", base=BASE_IMAGE),
    SERVER_IMAGE: _sandbox("server"),
    SANDBOX_IMAGE: _sandbox("sandbox"),
}
"""By the images' names; an image comes after the one that it is based on."""
