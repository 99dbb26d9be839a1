"""What bubblewrap leaves open: the kernel's keyrings have no namespace."""

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from kubebox.errors import LocalUnavailable
from kubebox.local import keyring
from kubebox.local.processes import Start, start

from .boxes import Box

ADD_KEY: Final = {"x86_64": 248, "aarch64": 217}[platform.machine()]
KEYCTL: Final = keyring.KEYCTL[platform.machine()]
UNLINK: Final = 9
SEARCH: Final = 10
SESSION: Final = -3
"""The calling process's session keyring."""

CANARY: Final = "kubebox-canary"


def system_call(*arguments: int | bytes) -> int:
    """A system call's result, or its errno below zero."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    typed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(library.syscall(*typed))
    return result if result >= 0 else -ctypes.get_errno()


@pytest.fixture
def canary() -> Iterator[int]:
    """A key of the user's session, as Kerberos and fscrypt keep them."""
    key = system_call(ADD_KEY, b"user", CANARY.encode(), b"secret", 6, SESSION)
    if key < 0:
        pytest.skip(f"no key can be made here: {errno.errorcode[-key]}")
    yield key
    system_call(KEYCTL, UNLINK, key, SESSION)


def said_by(script: str) -> str:
    """What a program prints that is started as bubblewrap is."""
    reader, writer = os.pipe()
    child = start(
        Start(arguments=[sys.executable, "-c", script], environment={}, descriptors=[], output=writer)
    )
    os.close(writer)
    with os.fdopen(reader) as output:
        said = output.read()
    os.waitpid(child, 0)
    return said


def test_what_is_started_does_not_have_the_users_keys(canary: int) -> None:
    assert system_call(KEYCTL, SEARCH, SESSION, b"user", CANARY.encode(), 0) == canary
    search = (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True);"
        f"print(c.syscall({KEYCTL}, {SEARCH}, {SESSION}, b'user', b'{CANARY}', 0), ctypes.get_errno())"
    )
    assert said_by(search).split() == ["-1", str(errno.ENOKEY)]


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EPERM])
def test_what_cannot_leave_the_users_keyring_is_not_started(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse() -> None:
        raise OSError(number, os.strerror(number), keyring.STEP)

    monkeypatch.setattr(keyring, "leave", refuse)
    with pytest.raises(LocalUnavailable, match="keyring") as caught:
        said_by("print('started')")
    assert caught.value.data["cause"] == "keyring"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_kernel_without_keys_has_none_to_keep(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(keyring, "join_new", lambda: number)
    assert said_by("print('started')") == "started\n"


@pytest.mark.anyio
async def test_commands_see_no_key(box: Box, canary: int) -> None:
    assert canary > 0
    search = (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True);"
        f'print(c.syscall({KEYCTL}, {SEARCH}, {SESSION}, b\\"user\\", b\\"{CANARY}\\", 0), ctypes.get_errno())'
    )
    result = await box.run(f'python3 -c "{search}"; grep {CANARY} /proc/keys')
    assert result.stdout.split() == ["-1", str(errno.EPERM)]
