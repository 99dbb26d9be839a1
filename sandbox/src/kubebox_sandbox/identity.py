"""The server's identity: an Ed25519 key that is made once, in the server's own folder."""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kubebox_protocol.keys import new_private_key, read_private_key

FILE = "identity.pem"


def load_identity(state: Path) -> Ed25519PrivateKey:
    """Read the identity key, or make it where there is none yet.

    Args:
        state: The server's own folder.

    Raises:
        OSError: The folder cannot be read or written.
        KeyInvalid: The file is not a key. It is not replaced: clients have pinned the one that it should
            hold.
    """
    path = state / FILE
    if not path.exists():
        _make(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, encoding="ascii") as file:
        return read_private_key(file.read())


def _make(path: Path) -> None:
    # Written whole beside its place and then linked: a crash leaves no half key, and whoever comes second
    # gets the first's.
    draft = path.with_name(f".{FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(new_private_key())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
