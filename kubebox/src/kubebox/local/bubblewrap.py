"""bubblewrap's command line: the wall around a workspace, as a pure function of what it should be.

Two rules hold everywhere. Only folders of the system are shown, each read-only; what may hold somebody's
files or credentials (homes, /root, /var, /run, /opt, /srv, /mnt) is not there at all, and of /etc only what
programs need to run. And bubblewrap never makes a mount point below something that the sandbox can write: a
symbolic link planted there would lead it astray.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

WORKSPACE_UID: Final = 10001
"""The account inside; the same as in a pod, so that what is tried here also runs there."""

USER_NAME: Final = "user"
HOME: Final = "/home/user"
CONTROL: Final = "/run/kubebox"
"""Where the workspace sees the control folder."""

SYSTEM_FOLDERS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Programs and their libraries. /opt is left out: what owners install there may hold tokens and licences."""

ETC_SHOWN: Final = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version", "fonts",
    "gai.conf", "inputrc", "java-*-openjdk", "ld.so.*", "locale.alias", "localtime", "magic", "magic.mime",
    "mime.types", "netconfig", "os-release", "perl", "pki", "protocols", "python3", "python3.*", "rpc",
    "services", "shells", "ssl", "terminfo", "timezone",
)  # fmt: skip
"""What of /etc is the system's and not its owner's; pip.conf, npmrc and gitconfig may hold passwords."""

ETC_GENERATED: Final = ("passwd", "group", "hosts", "hostname", "nsswitch.conf", "resolv.conf", "gitconfig")
"""What of /etc is the sandbox's own."""

PROC_HIDDEN: Final = ("/proc/keys", "/proc/key-users")
"""What /proc tells of an account everywhere, whatever namespace asks: the names of its keys."""

ENVIRONMENT: Final = {
    "PATH": f"{HOME}/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "USER": USER_NAME,
    "LOGNAME": USER_NAME,
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
}
"""The environment of every command, before the pod's own; nothing of the host's."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of each writable folder.

    Attributes:
        workspace: Of /workspace.
        home: Of the home folder.
        temporary: Of /tmp.
        shared: Of /dev/shm.
    """

    workspace: int
    home: int
    temporary: int
    shared: int

    @classmethod
    def divide(cls, disk: int) -> "Sizes":
        """Divide a disk: half for the work, a quarter for home, the rest for temporary files."""
        sixteenth = disk // 16
        return cls(workspace=8 * sixteenth, home=4 * sixteenth, temporary=3 * sixteenth, shared=sixteenth)


@dataclass(frozen=True)
class System:
    """What the host has of the system.

    Attributes:
        links: Top folders that are symbolic links on the host (`/bin` to `usr/bin`), with their targets.
        folders: Those that are real.
        etc: Paths in /etc that exist.
        hidden: Paths in /proc that exist and are to be covered.
    """

    links: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]
    etc: tuple[str, ...]
    hidden: tuple[str, ...]

    @classmethod
    def read(cls) -> "System":
        """Look at this machine."""
        present = [folder for folder in SYSTEM_FOLDERS if os.path.lexists(folder)]
        return cls(
            links=tuple((folder, os.readlink(folder)) for folder in present if os.path.islink(folder)),
            folders=tuple(folder for folder in present if not os.path.islink(folder)),
            etc=tuple(
                f"/etc/{name}"
                for name in sorted(os.listdir("/etc"))
                if any(fnmatchcase(name, pattern) for pattern in ETC_SHOWN) and os.path.exists(f"/etc/{name}")
            ),
            hidden=tuple(path for path in PROC_HIDDEN if os.path.exists(path)),
        )


@dataclass(frozen=True)
class Wall:
    """One workspace's wall.

    Attributes:
        program: bubblewrap's path.
        control: The host's control folder: the line's socket and init.
        etc: The host's folder with the generated files of /etc.
        sizes: Of the writable folders.
        variables: A descriptor from which bubblewrap reads the environment, so that no secret is in its argv.
        information: A descriptor to which it writes the workspace's process id.
        block: A descriptor that it waits on before it starts the command, until the network is there.
        system: What the host has.
    """

    program: str
    control: str
    etc: str
    sizes: Sizes
    variables: int
    information: int | None = None
    block: int | None = None
    system: System = field(default_factory=System.read)


def command_line(wall: Wall, command: Sequence[str]) -> list[str]:
    """The argv that runs a command behind the wall.

    Args:
        wall: What it should be.
        command: The program, as seen from inside, and its arguments.
    """
    return [wall.program, *_namespaces(), *_system(wall), *_writable(wall), *_process(wall), "--", *command]


def environment_arguments(*environments: dict[str, str]) -> bytes:
    """What bubblewrap reads from its `variables` descriptor; later environments win."""
    joined = {name: value for environment in environments for name, value in environment.items()}
    parts = [part for name, value in joined.items() for part in ("--setenv", name, value)]
    return b"".join(os.fsencode(part) + b"\0" for part in parts)


def write_etc(folder: Path, *, nameserver: str | None) -> None:
    """Write the generated files of /etc.

    Args:
        folder: Where to.
        nameserver: The resolver's address; `None` where there is no network, so that names fail at once
            instead of late.
    """
    contents = {
        "passwd": (
            "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
            f"{USER_NAME}:x:{WORKSPACE_UID}:{WORKSPACE_UID}::{HOME}:/bin/bash\n"
        ),
        "group": f"root:x:0:\n{USER_NAME}:x:{WORKSPACE_UID}:\n",
        "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "hostname": "sandbox\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        "resolv.conf": f"nameserver {nameserver}\n" if nameserver else "",
        # The folders belong to the account that works there; git asks because it cannot know that.
        "gitconfig": "[safe]\n\tdirectory = *\n",
    }
    for name, content in contents.items():
        path = folder / name
        path.write_text(content, encoding="ascii")
        path.chmod(0o644)


def _namespaces() -> Iterator[str]:
    yield from ("--unshare-all", "--unshare-user", "--disable-userns")
    yield from ("--uid", str(WORKSPACE_UID), "--gid", str(WORKSPACE_UID), "--hostname", "sandbox")
    # --new-session: no terminal whose input could be faked. --as-pid-1: init reaps by itself.
    yield from ("--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL", "--clearenv")


def _system(wall: Wall) -> Iterator[str]:
    for folder in wall.system.folders:
        yield from ("--ro-bind", folder, folder)
    for link, target in wall.system.links:
        yield from ("--symlink", target, link)
    yield from ("--perms", "0755", "--dir", "/etc")
    for path in wall.system.etc:
        yield from ("--ro-bind", path, path)
    for name in ETC_GENERATED:
        yield from ("--ro-bind", f"{wall.etc}/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc")
    for path in wall.system.hidden:
        yield from ("--ro-bind", os.devnull, path)
    yield from ("--perms", "0755", "--dir", "/run", "--ro-bind", wall.control, CONTROL)


def _writable(wall: Wall) -> Iterator[str]:
    # The parents are made, and /dev made read-only, before a writable folder is mounted in them: bubblewrap's
    # own /dev is a tmpfs without a size, which would hold as much as half of the machine's memory.
    yield from ("--dev", "/dev", "--perms", "1777", "--size", str(wall.sizes.shared), "--tmpfs", "/dev/shm")  # noqa: S108
    yield from (
        "--remount-ro",
        "/dev",
        "--perms",
        "0755",
        "--dir",
        "/home",
        "--perms",
        "0755",
        "--dir",
        "/var",
    )
    yield from ("--symlink", "/tmp", "/var/tmp")  # noqa: S108 - the workspace's own
    yield from ("--perms", "1777", "--size", str(wall.sizes.temporary), "--tmpfs", "/tmp")  # noqa: S108
    yield from ("--perms", "0700", "--size", str(wall.sizes.home), "--tmpfs", HOME)
    yield from ("--perms", "0755", "--size", str(wall.sizes.workspace), "--tmpfs", "/workspace")
    yield from ("--remount-ro", "/", "--chdir", "/workspace")


def _process(wall: Wall) -> Iterator[str]:
    yield from ("--args", str(wall.variables))
    if wall.information is not None:
        yield from ("--info-fd", str(wall.information))
    if wall.block is not None:
        yield from ("--block-fd", str(wall.block))
