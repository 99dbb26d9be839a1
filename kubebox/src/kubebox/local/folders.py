"""The base folder of a sandbox: private, known to live by a lock, swept where its owner was killed."""

import contextlib
import fcntl
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubebox.errors import LocalUnavailable
from kubebox.local.limits import remove_cgroup

PREFIX: Final = "kubebox-"
"""Of folders' names. One gets it when it is locked; until then a dot precedes it, and no sweep looks."""

UNFINISHED: Final = f".{PREFIX}"


@dataclass(frozen=True)
class Base:
    """A sandbox's folders.

    Attributes:
        path: What everything lies in; its owner alone may list it.
        control: The line's socket and init; the workspace sees it, read-only.
        state: The server's own; the workspace does not see it.
        etc: Generated files for the workspace's /etc.
        lock: Held as long as the supervisor lives; the kernel lets go of it however it ends.
    """

    path: Path
    control: Path
    state: Path
    etc: Path
    lock: int

    @property
    def name(self) -> str:
        """The folder's name, which the sandbox's cgroups bear too."""
        return self.path.name

    def note_cgroups(self, paths: list[str]) -> None:
        """Write down the sandbox's cgroups, before they are made, so that a sweep finds them."""
        (self.path / "cgroups").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")

    def remove(self) -> None:
        """Remove the folder and the cgroups. The lock goes last: what is left half-way is swept later."""
        _remove(self.path)
        os.close(self.lock)


def make_base(parent: Path, group: int | None) -> Base:
    """Make a base folder.

    Args:
        parent: Where, usually /tmp.
        group: The workspace's group where it runs under another account than this process, which must pass
            through to the control folder; nobody else can.
    """
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=parent))
    lock = os.open(unfinished / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    path = parent / (PREFIX + unfinished.name.removeprefix(UNFINISHED))
    for name, mode in (("control", 0o750), ("state", 0o700), ("etc", 0o750)):
        (unfinished / name).mkdir(mode=mode)
    if group is not None:
        for shared in (unfinished, unfinished / "control", unfinished / "etc"):
            os.chown(shared, -1, group)
        unfinished.chmod(0o710)
    unfinished.rename(path)
    return Base(path=path, control=path / "control", state=path / "state", etc=path / "etc", lock=lock)


def choose_parent(preferred: str, *, others: bool) -> Path:
    """Choose where base folders lie: where programs may run and the workspace's account may pass.

    Args:
        preferred: The system's temporary folder, as the user has set it.
        others: Whether the workspace has an account of its own.

    Raises:
        LocalUnavailable: No temporary folder of this machine will do.
    """
    candidates = [Path(folder).absolute() for folder in (preferred, "/tmp", "/var/tmp", "/dev/shm")]  # noqa: S108
    for folder in candidates:
        with contextlib.suppress(OSError):
            runs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
            passes = not others or all(
                part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents)
            )
            if runs and passes and os.access(folder, os.W_OK):
                return folder
    raise LocalUnavailable(
        f"no temporary folder will do ({', '.join(map(str, candidates))}): one must be writable and "
        "allow programs to run; set TMPDIR to such a folder",
        cause="no-temporary-folder",
    )


def sweep(parent: Path) -> None:
    """Remove what supervisors that were killed have left.

    Args:
        parent: Where to look. Others can write there, so only real folders of our own account count.
    """
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                _sweep_one(path)


def _sweep_one(path: Path) -> None:
    lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its supervisor lives
        _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    import shutil  # costs more than the rest of this module, and is needed only here

    with contextlib.suppress(FileNotFoundError):
        for cgroup in (path / "cgroups").read_text(encoding="utf-8").splitlines():
            remove_cgroup(cgroup)
    # The lock's file goes last, or a removal that is cut short would leave a folder that no sweep recognises.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == "lock"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    path.rmdir()
