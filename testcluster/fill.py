"""What the images' contexts are filled with besides the files that lie in `images/`."""

import platform
import shutil
from pathlib import Path
from typing import Final

from testcluster.compile import compile_go
from testcluster.place import ROOT
from testcluster.run import run

SUITE: Final = "bookworm"
"""Debian's release in the base image."""

PACKAGES: Final = (
    "build-essential", "ca-certificates", "curl", "git", "jq", "nodejs", "npm", "procps", "python-is-python3",
    "python3", "python3-dev", "python3-pip", "python3-venv", "ripgrep",
)  # fmt: skip

LEFT_OUT: Final = ("doc", "info", "lintian", "locale", "man")
"""Folders of /usr/share that nobody reads in a sandbox; without them the image is a tenth smaller."""

BUSYBOX: Final = Path("/bin/busybox")
"""Debian's static one."""


def make_root(folder: Path) -> None:
    """Make the base image's file system.

    Args:
        folder: Where `root.tar` goes.
    """
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in LEFT_OUT]
    included = f"--include={','.join(PACKAGES)}"
    run("mmdebstrap", "--quiet", "--variant=minbase", *left_out, included, SUITE, folder / "root.tar")


def compile_program(name: str, target: Path) -> None:
    """Compile one of the images' Go programs.

    Args:
        name: The image's; its package bears it too.
        target: Where the program goes.
    """
    compile_go(ROOT / "images", f"./{name}", target)


def make_musl_root(folder: Path) -> None:
    """Make the file system of the image with musl.

    Args:
        folder: Where `root` goes.
    """
    root = folder / "root"
    for made in ("usr/bin", "bin", "lib", "etc", "tmp"):
        (root / made).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    loader = Path(f"/lib/ld-musl-{platform.machine()}.so.1")
    shutil.copy(loader.resolve(), root / "lib" / loader.name)
    run("musl-gcc", "-O2", "-o", root / "usr/bin/report", folder / "report.c")
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in run(BUSYBOX, "--list").split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="ascii")
    (root / "etc/group").write_text("root:x:0:\n", encoding="ascii")
