"""Installing a peer: its published package, in an environment of its own, once."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INSTALL_SECONDS: Final = 300.0
"""Seconds. A peer and its dependencies are some tens of megabytes; a slow line shall not hold up the others."""

COMPLETE: Final = "complete"
"""The file that says that an environment is whole: an installer that was interrupted leaves half of one."""


class LeftOut(Exception):
    """A peer does not take part; the message says why."""


@dataclass(frozen=True)
class Package:
    """What a peer is published as.

    Attributes:
        title: What people call it.
        distribution: The name of its package.
        version: Which of its versions takes part.
        others: Packages that it does not ask for itself and yet needs.
    """

    title: str
    distribution: str
    version: str
    others: tuple[str, ...] = ()


def install(package: Package) -> Path:
    """Install a peer where it is not yet.

    Args:
        package: The peer's.

    Returns:
        The folder of its programs.

    Raises:
        LeftOut: It cannot be installed here.
    """
    parent = cache_folder() / "peers"
    folder = parent / "-".join((package.distribution, package.version, *package.others))
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _fill(folder, [f"{package.distribution}=={package.version}", *package.others])
            (folder / COMPLETE).touch()
    return folder / "bin"


def program(programs: Path, name: str) -> Path:
    """A program of a peer's.

    Args:
        programs: The folder of its programs.
        name: What it is called.

    Raises:
        LeftOut: Its package has none of that name.
    """
    found = programs / name
    if not found.exists():
        raise LeftOut(f"its package has no {name}")
    return found


def cache_folder() -> Path:
    """Where `scripts/setup` keeps its things, too."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubebox"


def _fill(folder: Path, requirements: list[str]) -> None:
    uv = shutil.which("uv") or shutil.which(cache_folder() / "uv" / "bin" / "uv")
    python = folder / "bin" / "python"
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *requirements])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *requirements])


def _run(arguments: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        # From the root folder: our own settings for uv are none of the peer's.
        done = subprocess.run(
            arguments, cwd="/", env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LeftOut(f"cannot be installed: {type(error).__name__}") from error
    if done.returncode != 0:
        raise LeftOut(f"cannot be installed: {presentable(done.stderr)}")


def presentable(output: str) -> str:
    """The last line that a program wrote, without addresses and paths, which are nobody's business."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    text = re.sub(r"\w+://\S+", "(address)", lines[-1] if lines else "without a word")
    return re.sub(r"(?<!\w)/[\w.\-]+(/[\w.\-]+)+", "(path)", text)[:200].rstrip(".")
