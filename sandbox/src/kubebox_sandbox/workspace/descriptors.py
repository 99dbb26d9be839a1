"""Descriptors that come from the workspace: their type is checked, and nothing else is believed."""

import ctypes
import fcntl
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from kubebox_protocol.errors import ErrorCode, Refused

CGROUP: Final = 0x27E0EB
CGROUP2: Final = 0x63677270

KERNEL_FILE_SYSTEMS: Final = frozenset(
    {
        0x9FA0,  # proc
        0x62656572,  # sysfs
        CGROUP,
        CGROUP2,
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x73636673,  # securityfs
        0x62656570,  # configfs
        0x6165676C,  # pstore
        0xCAFE4A11,  # bpf
        0xDE5E81E4,  # efivarfs
        0xF97CFF8C,  # selinuxfs
        0x42494E4D,  # binfmt_misc
        0x6E736673,  # nsfs
    }
)
"""Types of file systems (linux/magic.h) whose files are regular by their mode alone: what is read or written there happens in
the kernel, on behalf of the server, with the server's rights."""

STATFS_BYTES: Final = 256
"""Bytes for the kernel's answer, which has 120."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


def new_pipe() -> tuple[int, int]:
    """A pipe, of which the workspace gets one end: where to read, and where to write.

    Raises:
        Refused: There are no descriptors left.
    """
    try:
        return os.pipe2(os.O_CLOEXEC)
    except OSError:
        raise Refused(ErrorCode.WORKSPACE_EXHAUSTED, "the server has no descriptors left") from None


def close_all(descriptors: Iterable[int]) -> None:
    """Close each of them: ours, whose close takes no time. The workspace's are the closer's."""
    for descriptor in descriptors:
        os.close(descriptor)


def check_kind(descriptor: int) -> int:
    """Check a descriptor before anything is done with it, and return its file type (`stat.S_IFMT`).

    Raises:
        Refused: It is a memfd, which its maker could seal, shrink and grow under our hands and which no
            path leads to; or it lies on a file system of the kernel's.
    """
    if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:"):
        raise Refused(ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed a memfd")
    if _file_system(descriptor) in KERNEL_FILE_SYSTEMS:
        raise Refused(ErrorCode.FILE_NOT_REGULAR, "it is not a file but a view of the kernel's")
    return stat.S_IFMT(os.fstat(descriptor).st_mode)


def cgroup_file(descriptor: int) -> tuple[str, int]:
    """A file of a cgroup: its name, and a descriptor of our own for it, which is the caller's to close.

    With the one that was passed it shares nothing that could make a read of it wait.

    Raises:
        Refused: It is none.
        OSError: We may not read it, or there are no descriptors left.
    """
    link = f"/proc/self/fd/{descriptor}"
    if _file_system(descriptor) not in (CGROUP, CGROUP2) or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise Refused(ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed what is no file of a cgroup")
    return os.path.basename(os.readlink(link)), os.open(link, os.O_RDONLY | os.O_CLOEXEC)


def is_writable(descriptor: int) -> bool:
    """Whether it was opened for writing."""
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)


def sealed_memfd(content: bytes) -> int:
    """A memfd with this content that nobody can change any more: the form of a large request."""
    descriptor = os.memfd_create("request", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _file_system(descriptor: int) -> int:
    # Python's own fstatvfs leaves the type out. It is the structure's first field, and a long, wherever our init runs.
    status = ctypes.create_string_buffer(STATFS_BYTES)
    if _libc.fstatfs(descriptor, status) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int.from_bytes(status.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder)


def duplicates(descriptors: Sequence[int]) -> list[int]:
    """Duplicates that live on when the originals are closed.

    Raises:
        OSError: There are no descriptors left.
    """
    made: list[int] = []
    try:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))  # noqa: PERF401 - each has to be there when the next one fails
    except OSError:
        close_all(made)
        raise
    return made
