"""Descriptors that come from the workspace: their type is checked, and nothing else is believed."""

import fcntl
import os
import stat
from collections.abc import Iterable, Sequence

from kubebox_protocol.errors import ErrorCode, Refused


def close_all(descriptors: Iterable[int]) -> None:
    """Close each of them."""
    for descriptor in descriptors:
        os.close(descriptor)


def check_kind(descriptor: int) -> int:
    """Check a descriptor before anything is done with it, and return its file type (`stat.S_IFMT`).

    Raises:
        Refused: It is a memfd, which its maker could seal, shrink and grow under our hands and which no
            path leads to.
    """
    if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:"):
        raise Refused(ErrorCode.WORKSPACE_MISBEHAVED, "the workspace passed a memfd")
    return stat.S_IFMT(os.fstat(descriptor).st_mode)


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


def duplicates(descriptors: Sequence[int]) -> list[int]:
    """Duplicates that live on when the originals are closed."""
    return [os.dup(descriptor) for descriptor in descriptors]
