"""The user's private key: where it comes from, and how it is made at first use."""

import contextlib
import os
import shlex
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard

from kubebox.errors import KeyInvalid, KeyMissing, KubeboxError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ENVIRONMENT_VARIABLE: Final = "KUBEBOX_PRIVATE_KEY"

PLACEHOLDER: Final = "YOUR_PRIVATE_KEY"
"""Counts as no key given: the README's quick start has it, and must run to the letter."""

PEM_BEGIN: Final = "-----BEGIN"
"""Tells PEM text from a path: no sensible path begins so."""

MAX_KEY_FILE_BYTES: Final = 16 * 1024
"""Bytes. An Ed25519 key in PEM form has about 120; a path that leads to something else is not read whole."""


@dataclass(frozen=True)
class PrivateKey:
    """A private key in use.

    Attributes:
        pem: The private key as PEM text.
        path: The file it was read from, if it was.
        key: The key itself, for signing.
    """

    pem: str = field(repr=False)
    path: Path | None
    key: "Ed25519PrivateKey" = field(repr=False, compare=False)

    @property
    def public_pem(self) -> str:
        """The public half as PEM text, which servers are given."""
        from kubebox_protocol.keys import public_pem

        return public_pem(self.key)

    @property
    def thumbprint(self) -> str:
        """The key's name, which its tokens carry."""
        from kubebox_protocol.keys import thumbprint

        return thumbprint(self.key.public_key())


def config_folder() -> Path:
    """The folder of the user's Kubebox configuration. It need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "kubebox"


def default_key_path() -> Path:
    """Where the user's own key lies."""
    return config_folder() / "private_key.pem"


def resolve_private_key(value: str | Path | None = None, *, make: bool = True) -> PrivateKey:
    """Find the private key to sign with.

    Args:
        value: PEM text, a path, or nothing: then `$KUBEBOX_PRIVATE_KEY` (text or path), then the key in the
            user's config folder.
        make: Make the key in the config folder where there is none.

    Raises:
        KeyInvalid: It is not an Ed25519 private key, or others can read its file.
        KeyMissing: Its file is not there, or cannot be read or made.
    """
    source = "private_key"
    if not _given(value):
        value, source = os.environ.get(ENVIRONMENT_VARIABLE), f"${ENVIRONMENT_VARIABLE}"
    if not _given(value):
        return _default_key(make=make)
    if isinstance(value, str) and value.lstrip().startswith(PEM_BEGIN):
        return _parse(value, path=None)
    path = Path(value).expanduser()
    try:
        return _load(path)
    except (OSError, ValueError) as error:
        if isinstance(error, KubeboxError):
            raise
        # Text that is no path may be a key in another form, so only what was given as a path is quoted.
        shown = f" at {path}" if isinstance(value, Path) else ""
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise KeyMissing(
            f"{source}: no private key{shown}: neither PEM text nor a file that can be read ({reason}); "
            "`kubebox keys generate` makes one"
        ) from None


def write_private_key(path: Path, *, replace: bool = False) -> PrivateKey:
    """Make a new private key and keep it in a file that only its owner can read.

    The file appears whole or not at all. Where two processes make one at the same time, both get the same.

    Args:
        path: The file; its folder is made where missing.
        replace: Put the new key in the place of one that is there; otherwise that one is returned.

    Raises:
        KeyInvalid: There is a file that is no usable key.
        KeyMissing: The file cannot be made.
    """
    from kubebox_protocol.keys import new_private_key

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp opens with O_EXCL and mode 0600, so nobody can have the file open before the key is in it.
        descriptor, temporary = tempfile.mkstemp(prefix=".private_key-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(new_private_key())
                file.flush()
                os.fsync(file.fileno())
            if replace:
                os.replace(temporary, path)
            else:
                with contextlib.suppress(FileExistsError):
                    os.link(
                        temporary, path
                    )  # unlike a rename, a link never replaces what another process made
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        return _load(path)
    except OSError as error:
        if isinstance(error, KubeboxError):
            raise
        raise KeyMissing(
            f"cannot make a private key at {path} ({error.strerror}); "
            f"give one as private_key, or in ${ENVIRONMENT_VARIABLE}"
        ) from error


def _given(value: str | Path | None) -> TypeGuard[str | Path]:
    return value is not None and str(value).strip() not in {"", PLACEHOLDER}


def _default_key(*, make: bool) -> PrivateKey:
    try:
        path = default_key_path()
    except RuntimeError:  # what pathlib raises for an account without a home
        raise KeyMissing(
            f"this account has no home for a private key; give one in ${ENVIRONMENT_VARIABLE}"
        ) from None
    try:
        return _load(path)
    except FileNotFoundError:
        if not make:
            raise KeyMissing(
                f"there is no private key at {path} yet; `kubebox keys generate` makes one, as the first sandbox does"
            ) from None
        return write_private_key(path)
    except OSError as error:
        if isinstance(error, KubeboxError):
            raise
        raise KeyMissing(f"cannot read the private key at {path} ({error.strerror})") from error


def _load(path: Path) -> PrivateKey:
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyInvalid(f"the private key at {path} is not a file")
        _refuse_shared(path, status)
        content = file.read(MAX_KEY_FILE_BYTES)
    try:
        return _parse(content.decode("ascii"), path=path)
    except UnicodeDecodeError:
        raise KeyInvalid(
            f"the private key at {path} is not PEM text; `kubebox keys generate` makes one"
        ) from None


def _open_without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for its writer


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    if os.name != "posix":
        return  # the mode says nothing there
    # A mounted Kubernetes secret belongs to root and is lent to a group, and its reader cannot change that.
    forbidden = stat.S_IRWXO | (stat.S_IRWXG if status.st_uid == os.getuid() else 0)
    if status.st_mode & forbidden:
        raise KeyInvalid(
            f"others can read the private key at {path}: run  chmod 600 {shlex.quote(str(path))}"
        )


def _parse(pem: str, *, path: Path | None) -> PrivateKey:
    from kubebox_protocol import keys

    try:
        return PrivateKey(pem=pem, path=path, key=keys.read_private_key(pem))
    except keys.KeyInvalid as error:
        raise KeyInvalid(f"{error}" if path is None else f"{path}: {error}") from None
