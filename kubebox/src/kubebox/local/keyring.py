"""Leaving the user's session keyring: keyrings have no namespace, so the wall alone lets a workspace read it."""

import ctypes
import errno
import os
import platform
from collections.abc import Mapping
from typing import Final

KEYCTL: Final[Mapping[str, int]] = {"x86_64": 250, "aarch64": 219}
"""The system call's number, for which the C library has no name."""

JOIN_SESSION_KEYRING: Final = 1

STEP: Final = "session keyring"
"""Names this step where it fails."""

WITHOUT_KEYS: Final = (errno.ENOSYS, errno.EOPNOTSUPP)
"""What a kernel says that has no keys, and so none to read."""


def leave() -> None:
    """Give this process an empty session keyring, which its children share.

    Raises:
        OSError: It keeps the one that it had.
    """
    number = join_new()
    if number and number not in WITHOUT_KEYS:
        raise OSError(number, os.strerror(number), STEP)


def join_new() -> int:
    """Join a new session keyring without a name; 0, or why not."""
    number = KEYCTL.get(platform.machine())
    if number is None:
        return errno.EPERM  # a machine whose number nobody has told us keeps its keys, and says so
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    arguments = [ctypes.c_long(value) for value in (number, JOIN_SESSION_KEYRING, 0)]
    return 0 if library.syscall(*arguments) >= 0 else ctypes.get_errno()
