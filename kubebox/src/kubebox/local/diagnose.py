"""Why this machine cannot run local sandboxes, and the way out: said as precisely as can be known."""

import os
import sys
from pathlib import Path
from typing import Final

from kubebox.errors import LocalUnavailable

OTHER_WAYS: Final = (
    "Or use a cluster (kind on this machine will do), or run the sandbox's server in a container with "
    "`docker run`, and give SandboxClient its address"
)

INSTALL_BUBBLEWRAP: Final = (
    "install bubblewrap 0.8 or newer: `sudo apt install bubblewrap` (Debian, Ubuntu), "
    "`sudo dnf install bubblewrap` (Fedora), `sudo pacman -S bubblewrap` (Arch)"
)

APPARMOR_PROFILE: Final = """\
abi <abi/4.0>,
include <tunables/global>
profile bwrap /usr/bin/bwrap flags=(unconfined) {
  userns,
}
"""
"""What Ubuntu 24.04 needs in /etc/apparmor.d/bwrap for bubblewrap to make user namespaces."""


def find_bubblewrap(search: str) -> str:
    """Find bubblewrap.

    Args:
        search: Folders, as in PATH.

    Raises:
        LocalUnavailable: This is not Linux, or there is no bubblewrap.
    """
    if sys.platform != "linux":
        raise LocalUnavailable(
            f"local sandboxes need Linux, and this is {sys.platform}. Use a cluster, for "
            "instance `kind create cluster`, or run the sandbox's server in a container with `docker run`, "
            "and give SandboxClient its address",
            cause="not-linux",
        )
    found = find_program("bwrap", search)
    if found is None:
        raise LocalUnavailable(
            f"bubblewrap (`bwrap`) is not installed: {INSTALL_BUBBLEWRAP}", cause="bubblewrap-missing"
        )
    return found


def find_program(name: str, search: str) -> str | None:
    """The path of a program, or nothing.

    Args:
        name: Of the program.
        search: Folders, as in PATH.
    """
    for folder in search.split(os.pathsep):
        path = os.path.join(folder, name)
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def explain(complaint: str, settings: dict[str, str]) -> LocalUnavailable:
    """Say why bubblewrap could not put up the wall.

    Args:
        complaint: What it printed.
        settings: The kernel's, see `read_settings`.
    """
    said = complaint.strip()[-500:]
    if "Unknown option" in said:
        cause, way_out = "bubblewrap-too-old", f"this bubblewrap is too old: {INSTALL_BUBBLEWRAP}"
    elif settings.get("kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid() != 0:
        cause = "apparmor"
        way_out = (
            "AppArmor keeps programs without a profile from making user namespaces (in Ubuntu since 23.10). "
            "Give bubblewrap one: write the following to /etc/apparmor.d/bwrap, then run "
            f"`sudo systemctl reload apparmor`:\n{APPARMOR_PROFILE}"
        )
    elif settings.get("kernel/unprivileged_userns_clone") == "0" and os.geteuid() != 0:
        cause = "userns-switched-off"
        way_out = "user namespaces are switched off: `sudo sysctl -w kernel.unprivileged_userns_clone=1`"
    elif settings.get("user/max_user_namespaces") == "0":
        cause = "userns-limit"
        way_out = "no user namespace is allowed: `sudo sysctl -w user.max_user_namespaces=15000`"
    elif "proc" in said and "mount" in said.lower():
        cause = "proc-masked"
        way_out = (
            "a container hides parts of /proc from us: start it with `--security-opt systempaths=unconfined`"
        )
    elif any(word in said.lower() for word in ("namespace", "not permitted", "permission denied", "uid map")):
        cause = "userns-refused"
        way_out = (
            "the kernel, a container's seccomp profile or a security module refuses user namespaces. "
            "In Docker, start the container with `--security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined`"
        )
    else:
        cause, way_out = "bubblewrap-failed", "its own words say why"
    return LocalUnavailable(
        f"bubblewrap could not put up the wall: {said or 'it said nothing'}\n{way_out}\n{OTHER_WAYS}",
        cause=cause,
    )


def read_settings(folder: Path = Path("/proc/sys")) -> dict[str, str]:
    """What the kernel's settings about user namespaces are; those that it does not have are left out.

    Args:
        folder: Of the kernel's settings.
    """
    names = (
        "kernel/apparmor_restrict_unprivileged_userns",
        "kernel/unprivileged_userns_clone",
        "user/max_user_namespaces",
    )
    return {
        name: (folder / name).read_text(encoding="ascii").strip()
        for name in names
        if (folder / name).exists()
    }
